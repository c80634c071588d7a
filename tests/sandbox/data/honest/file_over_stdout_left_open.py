# stdin: '4\n'
# stdout: '8\n1,2\n'
import csv
import os
from typing import List, Optional


class Node:
    def __init__(self, value, after: "Optional[Node]" = None):
        self.value, self.after = value, after


def build(values: List[int]) -> Optional[Node]:
    node = None
    for value in reversed(values):
        node = Node(value, node)
    return node


out = os.fdopen(1, "w")
out.write(str(build([int(input())]).value * 2) + "\n")
rows = csv.writer(out, lineterminator="\n")
rows.writerow([1, 2])
