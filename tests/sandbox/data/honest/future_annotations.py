# stdin: "1\n"
# stdout: "[1]\n"
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Box:
    items: list[int] = field(default_factory=list)


box = Box()
box.items.append(int(input()))
print(box.items)
