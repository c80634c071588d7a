"""Slots on a host without namespaces: no jail around the warm interpreter, walls around every program.

For pods that may not make namespaces, and containers under Docker's default profile. What a program may reach is
listed here, as `jail` lists it for root directories; `sandbox.inside.lone` holds it to that. Memory is watched.

Needed are Landlock and seccomp. Without Landlock nothing is judged, unless the operator says by name what is lost; and
then one program at a time, which writes no file. What no setting accepts is that programs look into their judge.
The process that starts slots must not be readable by its own user: `stand_guard`.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import secrets
import socket
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import jail
from sandbox.image import sealed
from sandbox.inside import kernel, landlock, wire
from sandbox.inside.scratch import Scratch
from sandbox.jailed import JailSlot
from sandbox.models import SandboxUnavailableError
from sandbox.runs import Outcome
from sandbox.slot import Jail

_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_LOADERS: Final = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "LD_BIND_NOW": "1"}
_END_SECONDS: Final = 15.0
_ALIASED_HEADER: Final = "/precompiled"

# What an operator may accept to lose (`SANDBOX_ACCEPT_LOST`), and what that means.
LOSSES: Final = {
    "files": (
        "this kernel has no Landlock: a program reads every file that this user may, and can write none, so those that "
        "write files fail; programs run one at a time"
    ),
    "signals": "programs signal processes of this user; held by the system call filter wherever that can be installed",
}


# Ours, run inside: says what it was let do. Judged outside, by `broken_promises`.
LOOK_AROUND: Final = """
import ctypes, json, os, socket
libc = ctypes.CDLL(None)
parent = os.getppid()
def tried(action):
    try:
        action()
    except OSError:
        return False
    return True
def fork():
    if os.fork() == 0:
        os._exit(0)
capabilities = (ctypes.c_uint32 * 6)(*[1] * 6)
libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), capabilities)
secret = ["/etc/passwd", "/etc/hostname", "/proc/version", "/proc/self/environ", "/proc/1/cmdline"]
secret += [f"/proc/{parent}/{name}" for name in ("cmdline", "status")]
def above(pid):
    try:
        return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
    except OSError:
        return 0
ours = [parent, above(parent), above(above(parent))]
inside = [f"/proc/{pid}/{name}" for pid in ours if pid for name in ("environ", "maps")]
opened = [f"/proc/{pid}/mem" for pid in ours if pid]
links = [f"/proc/{pid}/fd/{fd}" for pid in ours if pid for fd in (0, 1, 2)]
print(json.dumps({
    "capabilities": sum(capabilities),
    "filtered": libc.prctl(21, 0, 0, 0, 0),
    "no_new_privileges": libc.prctl(39, 0, 0, 0, 0),
    "user": os.getuid(),
    "environment": len(os.environ),
    "wrote": [path for path in ("/", "..", "/etc", "/usr", "/dev", "/dev/shm", "/var/tmp", os.path.dirname(os.__file__))
              if tried(lambda: open(path + "/probe", "w").close())],
    "read": [path for path in secret if tried(lambda: open(path, "rb").close())],
    "looked_into": [path for path in inside if tried(lambda: open(path, "rb").read(1))]
                 + [path for path in opened if tried(lambda: open(path, "rb").close())]
                 + [path for path in links if tried(lambda: os.readlink(path))],
    "listed": [path for path in ("/", "..", "/proc", "/etc", "/home", f"/proc/{parent}")
               if tried(lambda: os.listdir(path))],
    "signalled": [pid for pid in (parent, 1, -1, -parent) if tried(lambda: os.kill(pid, 0))],
    "forked": tried(fork),
    "socket": any(tried(lambda: socket.socket(family, socket.SOCK_DGRAM)) for family in (1, 2, 10)),
    "shared": [call for call, made in (("shmget", libc.shmget(0, 4096, 0o1600)), ("msgget", libc.msgget(0, 0o1600)),
                                       ("semget", libc.semget(0, 1, 0o1600))) if made >= 0],
    "executed": tried(lambda: os.execv("/bin/sh", ["sh", "-c", "exit"])),
}))
"""


@dataclass(frozen=True, slots=True)
class Host:
    """How slots without a jail are made on this host."""

    interpreter: jail.Interpreter
    precompiled: Path | None
    scratch: Path
    exclusive: bool = False  # the one slot has `scratch` itself for its programs, not a private directory below it
    first_user: int = 61_000
    landlock: int = 0


def lost() -> frozenset[str]:
    """What this kernel cannot hold."""
    return frozenset() if landlock.version() else frozenset({"files"})


def unaccepted(accepted: Iterable[str]) -> list[str]:
    """Why this host is not fit without namespaces, given what the operator accepts to lose."""
    known = set(accepted)
    unknown = [f"SANDBOX_ACCEPT_LOST knows {', '.join(LOSSES)}, not {name!r}" for name in sorted(known - LOSSES.keys())]
    return unknown + [f"{LOSSES[name]} (to accept that: SANDBOX_ACCEPT_LOST={name})" for name in sorted(lost() - known)]


def lacking() -> list[str]:
    """What no setting makes up for: calls without which processes cannot be watched over."""
    sentences = []
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        sentences.append("this kernel has no pidfd_open: Linux 5.3, or a gVisor that knows it, is needed")
    if not kernel.can_adopt_orphans():
        sentences.append("processes cannot adopt orphans here (PR_SET_CHILD_SUBREAPER): a newer gVisor is needed")
    return sentences


def tier() -> str:
    """The name of what isolates programs here."""
    return "landlock-watched" if not lost() else f"seccomp-watched-without-{'-'.join(sorted(lost()))}"


def find_host(
    *, precompiled: Path | None, cache_dir: Path, scratch: Path | None, workers: int, first_user: int = 61_000
) -> Host:
    """Look at this host. Raises SandboxUnavailableError where the directories that it is given cannot be used."""
    exclusive = scratch is not None and workers == 1
    if exclusive:
        assert scratch is not None
        if cache_dir.resolve().is_relative_to(scratch.resolve()):
            raise SandboxUnavailableError(f"programs would write to the cache: {cache_dir} is inside of {scratch}")
        place = scratch
    else:
        place = scratch if scratch is not None else Path(tempfile.gettempdir())
        _private_directory(place)
    interpreter = jail.find_interpreter()
    if not _passable(interpreter.executable):
        raise SandboxUnavailableError(f"programs have users of their own, to whom {interpreter.executable} is closed")
    if precompiled is not None and not _passable(str(precompiled)):
        precompiled = None
    return Host(interpreter, precompiled, place, exclusive, first_user, landlock.version())


def _passable(path: str) -> bool:
    """Whether the users that slots become get to a file: root gives its own up, anybody else keeps his."""
    return os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in Path(path).parents)


def _private_directory(base: Path) -> Path:
    """A directory of this user's that nobody else writes to."""
    place = base / f"reward-sandbox-{os.geteuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        status = place.lstat()
    except OSError as error:
        raise SandboxUnavailableError(f"no place for what programs write: {error}") from error
    if place.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise SandboxUnavailableError(f"{place} is not this user's own")
    if os.geteuid() == 0:
        place.chmod(0o711)  # for the users that slots become
    return place


def sweep(host: Host) -> None:
    """Remove the scratch directories of servers that are no more."""
    if host.exclusive:
        return
    for path in _private_directory(host.scratch).glob("*-*-*"):
        pid, token, _ = path.name.split("-")
        if token != _TOKEN and (pid == str(os.getpid()) or not Path(f"/proc/{pid}").exists()):
            with contextlib.suppress(OSError):
                Scratch(str(path)).remove()


_TOKEN: Final = secrets.token_hex(4)


def broken_promises(outcome: Outcome) -> list[str]:
    """What a look around from inside says against this tier, but for what is known to be lost."""
    try:
        seen = json.loads(outcome.stdout)
    except ValueError:
        return [f"the probe ended with {outcome.verdict}: {outcome.message} {outcome.stderr.decode(errors='replace')}"]
    held = "files" not in lost()
    found = {
        "programs keep capabilities": seen["capabilities"] != 0,
        "no system call filter": seen["filtered"] != 2,
        "programs can gain privileges": seen["no_new_privileges"] != 1,
        "programs are root": seen["user"] == 0,
        "the environment is not empty": seen["environment"] != 0,
        f"programs can write to {seen['wrote']}": bool(seen["wrote"]),
        f"programs can read {seen['read']}": held and bool(seen["read"]),
        f"programs can list {seen['listed']}": held and bool(seen["listed"]),
        f"programs can look into their judge, where undumpable processes are shown: {seen['looked_into']}": bool(
            seen["looked_into"]
        ),
        f"programs can signal {seen['signalled']}": bool(seen["signalled"]),
        "programs can start processes": seen["forked"],
        "programs can open sockets": seen["socket"],
        f"programs can make what outlives them, by calls {seen['shared']}": bool(seen["shared"]),
        "programs can start other programs": seen["executed"],
    }
    return [sentence for sentence, broken in found.items() if broken]


def stand_guard() -> None:
    """Close this process to others of its user: no reading of its memory or environment, no tracing."""
    kernel.set_dumpable(False)


class BareSlot(JailSlot):
    """A slot whose zygote is a child of this process as it is."""

    runs_series = False  # each run is started with the walls of this host, by hand
    rooms_apart = False  # programs may share a directory, which is emptied for each

    def __init__(self, index: int, host: Host) -> None:
        unused = Jail("", host.interpreter, host.precompiled, host.first_user, use_cgroups=False)
        super().__init__(index, unused)
        self._host = host
        self._starts = 0
        self._place: Path | None = None

    def _launch(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        self._said = os.memfd_create("said", os.MFD_CLOEXEC)
        files = dict(jail.inside_files())
        native = sealed("native", files.pop(jail.NATIVE))
        modules = sealed("modules", _archive(files))
        source = "import sys; sys.path.insert(0, sys.argv[3]); from sandbox.inside import zygote; zygote.main()"
        command = [self._host.interpreter.executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", source]
        try:
            return subprocess.Popen(
                [*command, str(theirs.fileno()), f"/proc/self/fd/{native}", f"/proc/self/fd/{modules}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=(theirs.fileno(), native, modules),
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(native)
            os.close(modules)

    def _set_up(self) -> None:
        assert self._control is not None
        wire.send(self._control, {"user": self.user, "view": _view(self._host, str(self._own_scratch(self.user)))})

    def _own_scratch(self, user: int | None) -> Path:
        """A new directory for each start: what an earlier one may have left is not met again."""
        if self._host.exclusive:
            return self._host.scratch
        self._starts += 1
        self._place = _private_directory(self._host.scratch) / f"{os.getpid()}-{_TOKEN}-{self.index}.{self._starts}"
        self._place.mkdir(mode=0o700)
        if user is not None:
            os.chown(self._place, user, user)
        return self._place

    def kill(self) -> None:
        """Tell the zygote to end, and everything below it first."""
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)

    async def _end_processes(self) -> None:
        process = self._process
        if process is not None:
            self.kill()
            try:
                await asyncio.to_thread(process.wait, _END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()  # its children die with it
        await super()._end_processes()
        if self._place is not None:
            with contextlib.suppress(OSError):  # what cannot be removed now is for the next sweep
                await asyncio.to_thread(Scratch(str(self._place)).remove)
                self._place.parent.rmdir()
            self._place = None


def _archive(files: dict[str, bytes]) -> bytes:
    """What runs inside, for the interpreter to import from."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return archive.getvalue()


def _view(host: Host, scratch: str) -> dict[str, object]:
    """What `sandbox.inside.lone.View` reads."""
    libraries = list(jail.LIBRARY_DIRECTORIES)
    python = [host.interpreter.executable, *host.interpreter.directories, *host.interpreter.packages]
    precompiled = [str(host.precompiled)] if host.precompiled is not None else []
    # Not /usr/local: what is there is the host's own and no compiler's.
    tools = [str(path) for path in sorted(Path("/usr").iterdir()) if path.name not in ("local", "share")]
    configuration = [
        "/etc/alternatives",
        "/etc/ld.so.cache",
        "/etc/ssl/openssl.cnf",
        *map(str, Path("/etc").glob("java-*")),
    ]
    roots = {
        jail.PYTHON_ROOT: {"read": [*libraries, "/etc/ld.so.cache", *python], "execute": []},
        jail.NATIVE_ROOT: {"read": [*libraries, "/etc/ld.so.cache"], "execute": []},
        jail.TOOLCHAIN_ROOT: {
            "read": [*libraries, *tools, "/usr/share", *configuration, *precompiled],
            "execute": [*libraries, *tools, "/bin"],
        },
    }
    return {
        "roots": roots,
        "devices": list(_DEVICES),
        "loaders": [path for path in _LOADERS if os.path.exists(path)],
        "packages": {Path(path).stem: path for path in host.interpreter.packages if not path.endswith(".libs")},
        "aliases": {_ALIASED_HEADER: str(host.precompiled)} if host.precompiled is not None else {},
        "scratch": scratch,
        "exclusive": host.exclusive,
        "landlock": host.landlock,
    }
