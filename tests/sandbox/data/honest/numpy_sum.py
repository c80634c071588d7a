# stdin: "1 2 3\n"
# stdout: "6 [[1.0, 0.0], [0.0, 1.0]]\n"
import numpy as np

print(np.array(input().split(), dtype=np.int64).sum(), np.linalg.inv(np.eye(2)).tolist())
