"""A judge in another process: that of a plain user in a container of its own, as a restricted pod has it.

`PlainUserJudge` is a judge to its caller and speaks to this module run as a program. That one runs under one user id
without any privilege, forbids itself namespaces as Docker's default profile does, and shares its user, its process
numbers and its files with the programs that it judges: whatever they can do to their judge, they can do to it.
It has a private /tmp, so that the worst of them reaches nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import pickle
import shlex
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sandbox.__main__ import main
from sandbox.host import Isolation
from sandbox.inside import family, kernel, landlock, syscalls
from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import ExecuteJob, Execution, Health, JudgeJob, JudgeResult, SandboxUnavailableError

USER = 12_345
OWN = Path("/mnt/own")
ROOT = Path(__file__).parents[2]
_LENGTH = struct.Struct("<I")
_EPERM = 0x0005_0000 | errno.EPERM
_NEW_NAMESPACES = 0x7E02_0000


def command(*arguments: str, cache_dir: Path, user: int = USER) -> list[str]:
    """Run this module as `user`: in new mount and process namespaces, and able to make none."""
    packages = next(path for path in sys.path if Path(path, "pydantic_core").is_dir() or Path(path, "numpy").is_dir())
    shown = {"python": sys.base_prefix, "project": str(ROOT), "packages": packages}
    script = [
        "set -e",
        "mount -t tmpfs -o mode=755 tmpfs /mnt",
        *(f"mkdir /mnt/{name}; mount --rbind {shlex.quote(path)} /mnt/{name}" for name, path in shown.items()),
        f"mkdir -p /mnt/own/precompiled; chown {user}:{user} /mnt/own",
        f"mount --rbind {shlex.quote(str(cache_dir / 'precompiled'))} /mnt/own/precompiled",
        "mount -t tmpfs -o mode=1777 tmpfs /tmp",
        *_uncovered(sys.base_prefix),
        "export PYTHONPATH=/mnt/project:/mnt/packages PYTHONDONTWRITEBYTECODE=1 PATH=/usr/bin:/bin HOME=/mnt/own",
        f"setpriv --reuid={user} --regid={user} --clear-groups --inh-caps=-all --bounding-set={_capabilities(user)} "
        f"{shlex.quote(os.path.realpath(getattr(sys, '_base_executable', sys.executable)))} -s -m "
        f"{shlex.join(['tests.sandbox.plain_user', *arguments])}",
        "exit $?",  # so that the judge is not process 1, whom the kernel would protect
    ]
    own = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return [*own, "sh", "-c", "\n".join(script)]


def _capabilities(user: int) -> str:
    """None; for root those that a container has by default."""
    if user != 0:
        return "-all"
    kept = "chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap sys_chroot kill audit_write"
    return ",".join(["-all", *(f"+{name}" for name in kept.split())])


def _uncovered(path: str) -> list[str]:
    """Make the way to the interpreter passable where only root may go it."""
    closed = [parent for parent in reversed(Path(path).parents) if not parent.stat().st_mode & 0o001]
    if not closed:
        return []
    return [
        f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed[0]))}",
        f"mkdir -p {shlex.quote(path)}; mount --bind /mnt/python {shlex.quote(path)}",
    ]


class PlainUserJudge:
    """The far judge, as if it were here."""

    def __init__(self, cache_dir: Path, *, user: int = USER, **options: Any) -> None:
        """`options` are those of `Over`."""
        self._command = command("serve", json.dumps(options), cache_dir=cache_dir, user=user)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self.tier = ""

    async def start(self) -> None:
        """Start the process; raise what its judge raised at start."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, cwd="/")
        self._reading = asyncio.create_task(self._read())
        self.tier = await self._ask("start", None)

    async def close(self) -> None:
        """End it, and see that it ended well."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert await self._process.wait() == 0
        assert self._reading is not None
        await self._reading

    async def judge(self, job: JudgeJob) -> JudgeResult:
        """Judge over there."""
        result: JudgeResult = await self._ask("judge", job)
        return result

    async def execute(self, job: ExecuteJob) -> Execution:
        """Run over there."""
        result: Execution = await self._ask("execute", job)
        return result

    def health(self) -> Health:
        """Whether the process is there."""
        return Health(self._process is not None and self._process.returncode is None, self.tier)

    async def traces(self) -> dict[str, Any]:
        """What there is of processes and files over there."""
        found: dict[str, Any] = await self._ask("traces", None)
        return found

    async def _ask(self, what: str, job: object) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._asked += 1
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[self._asked] = answer
        self._process.stdin.write(_framed((self._asked, what, job)))
        return await answer

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                (length,) = _LENGTH.unpack(await self._process.stdout.readexactly(_LENGTH.size))
                number, error, value = pickle.loads(await self._process.stdout.readexactly(length))
                answer = self._answers.pop(number)
                answer.set_exception(error) if error is not None else answer.set_result(value)
        for answer in self._answers.values():
            answer.set_exception(SandboxUnavailableError("the judge of the plain user is gone"))


def _framed(message: object) -> bytes:
    encoded = pickle.dumps(message)
    return _LENGTH.pack(len(encoded)) + encoded


# --- over there ----------------------------------------------------------------------------------------------------


def forbid_namespaces() -> None:
    """As the default profile of Docker does, for good."""
    rules = dict.fromkeys(syscalls.numbers({"unshare": syscalls.Number(272, 97)}), _EPERM)
    clone = syscalls.own(syscalls.Number(56, 220))
    code = syscalls.assemble(rules, syscalls.when(clone, syscalls.BITS_SET, _NEW_NAMESPACES, _EPERM), check_flags=False)
    kernel.forbid_new_privileges()
    kernel.Filter(code).install()


@dataclass(frozen=True)
class Over:
    """How it is over there."""

    workers: int = 2
    kind: Literal["auto", "bubblewrap", "landlock"] = "landlock"
    scratch: str | None = None
    accept_lost: tuple[str, ...] = ()
    landlock: int | None = None  # the version of an older kernel, to be held to

    def settings(self) -> LocalSettings:
        scratch = Path(self.scratch) if self.scratch is not None else None
        isolation = Isolation(self.kind, scratch, tuple(self.accept_lost))
        return LocalSettings(OWN, self.workers, remembered_results=0, compile_cpu_seconds=7.0, isolation=isolation)


async def serve(over: Over) -> None:
    """Answer what is asked on stdin until it ends."""
    if over.landlock is not None:
        older = over.landlock
        landlock.version = lambda: older
    judge = LocalJudge(over.settings())
    reader = asyncio.StreamReader(limit=1 << 30)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as answering:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                answering.create_task(_answer(judge, *pickle.loads(await reader.readexactly(length))))
    await judge.close()


async def _answer(judge: LocalJudge, number: int, what: str, job: Any) -> None:
    value: Any = None
    error: Exception | None = None
    try:
        if what == "start":
            await judge.start()
            value = judge.tier
        elif what == "traces":
            await judge.settled()
            value = await _traces()
        else:
            value = await getattr(judge, what)(job)
    except Exception as raised:
        error = raised
    answer = memoryview(_framed((number, error, value)))
    while answer:
        answer = answer[os.write(1, answer) :]


async def _traces() -> dict[str, Any]:
    """What there is when every zygote has its next init."""
    while not all(family.children(pid) for pid in family.children(os.getpid())):  # noqa: ASYNC110 - no event says so
        await asyncio.sleep(0.01)
    return _seen()


def _seen() -> dict[str, Any]:
    zygotes = family.children(os.getpid())
    return {
        "zygotes": zygotes,
        "inits": sum(len(family.children(pid)) for pid in zygotes),
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "files": sorted(str(path) for base in ("/tmp", "/dev/shm") for path in Path(base).glob("*")),
        "in scratch": sorted(str(path) for path in Path("/tmp").glob("reward-sandbox-*/*/*/*")),
    }


if __name__ == "__main__":
    forbid_namespaces()
    if sys.argv[1] == "check":
        sys.exit(main(["check", "--cache-dir", str(OWN)]))
    asyncio.run(serve(Over(**json.loads(sys.argv[2]))))
