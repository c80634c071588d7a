# expect: accepted
import sys

sys.exit(0)
