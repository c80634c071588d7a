# stdin: ""
# stdout: "12500000\n"
import numpy as np

print(np.ones((5000, 2500), dtype=np.int64).sum())
