"""Draws the tests of a code task (Magistral, 2.2.2): 20 at random, the same ones for every member of a group.

Drawn by hash of (task, group, seed), never by arrival: members of a group may come in different requests, to
different replicas, in any order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from sandbox import models as sandbox


def group_label(problem: str | None, asked: str) -> str:
    """Name the group of a rollout that names none: the same problem asked the same way, wherever it comes."""
    return "task:" + hashlib.sha256(json.dumps([problem or "", asked]).encode()).hexdigest()[:16]


def tests_digest(tests: Sequence[sandbox.Test]) -> str:
    """Return a digest of what a program is asked, however the task wrote it and whatever limits or checker apply."""
    digest = hashlib.sha256()
    for test in tests:
        for part in _parts(test):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()


def _parts(test: sandbox.Test) -> tuple[bytes, ...]:
    match test:
        case sandbox.StdioTest():
            return b"stdio", test.stdin, test.stdout
        case sandbox.CallTest():
            return b"call", json.dumps([test.arguments, test.output], sort_keys=True).encode()
        case sandbox.AssertTest():
            return b"assert", test.source.encode()


def draw(total: int, count: int, *, tests: str, group: str, seed: str) -> Sequence[int]:
    """Return the places of `count` of `total` tests in ascending order, all of them where there are fewer."""
    if total <= count:
        return range(total)
    # JSON keeps ("a", "bc") apart from ("ab", "c").
    salt = json.dumps([tests, group, seed]).encode()
    ranked = sorted(range(total), key=lambda place: hashlib.sha256(salt + place.to_bytes(8)).digest())
    return sorted(ranked[:count])
