"""The first process of a submission: pid 1 of its own namespaces, holding the program down from inside.

Reads requests from its socket: `load` chooses the root directory, `run` starts the program once and answers how it
ended. When an answer is sent, every process of that run is dead, /tmp is as new, and what the run used has been added
up over all of its processes. CPU time decides: whoever runs over it is killed, whichever process spent it.

The program cannot signal this process (pid 1 of its namespace), read it (not dumpable, and it has capabilities that the
program lacks) or reach its socket (closed before the first line of the program). When the socket closes this process
ends, and the kernel ends the rest of the namespace with it.

No expected output ever comes here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import stat
import time
import traceback
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from sandbox.inside import kernel, program, syscalls, wire

_SOCKET_FD: Final = 3
_INNER_ID: Final = 1000
_TICK_SECONDS: Final = 0.05
_MEMORY_TICK_SECONDS: Final = 0.004
_CORES: Final = len(os.sched_getaffinity(0))
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = resource.getpagesize()


def main(socket_fd: int, *, user: int, group: int) -> NoReturn:
    """Serve one submission. Called in the child of `kernel.clone`, where `user` and `group` are what it was outside."""
    try:
        if os.getpid() != 1:
            raise RuntimeError("an init outside of a pid namespace would signal everybody")
        channel = stand_alone(socket_fd)
        _map_ids(user, group)
        kernel.set_dumpable(False)
        _NamespaceInit(channel).serve()
    except BaseException as error:  # noqa: BLE001 - nobody above us: the far side reads the end of the socket, and this for the reason
        os.write(2, "".join(traceback.format_exception(error)).encode())
    finally:
        # Neither handlers nor buffers of the zygote are ours to run or flush.
        os._exit(0)


def stand_alone(socket_fd: int) -> socket.socket:
    """Be nothing of the zygote's but its child: neither its handlers, nor its session, nor its descriptors."""
    kernel.die_with_parent(signal.SIGKILL)
    _heed_no_signal()
    os.setsid()  # a signal to the process group crosses pid namespaces: the zygote must not be in ours
    if socket_fd != _SOCKET_FD:
        os.dup2(socket_fd, _SOCKET_FD, inheritable=False)
    os.closerange(_SOCKET_FD + 1, 1024)
    return socket.socket(fileno=_SOCKET_FD)


def _heed_no_signal() -> None:
    """Leave no handler: the kernel keeps signals of its own namespace from a pid 1 that has none for them."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)


def _map_ids(user: int, group: int) -> None:
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{_INNER_ID} {user} 1"),
        ("gid_map", f"{_INNER_ID} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


@dataclass(slots=True)
class Usage:
    """What the processes of a run have used, added up."""

    cpu_seconds: float = 0.0
    rss_kb: int = 0

    def add(self, used: resource.struct_rusage) -> None:
        self.cpu_seconds += used.ru_utime + used.ru_stime
        self.rss_kb = max(self.rss_kb, used.ru_maxrss)


class Init:
    """Serves one submission: what does not depend on what isolates it."""

    one_process = False  # whether a program may start no other

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._code_fd = -1
        self._proc_fd = -1

    def serve(self) -> None:
        """Answer requests until the far side hangs up."""
        while True:
            try:
                request, fds = wire.receive(self._channel)
            except (EOFError, ConnectionError):
                return
            try:
                if request["op"] == "load":
                    self.load(request)
                    continue
                self._run(request, dict(zip(texts(request["fds"]), fds, strict=True)))
            except ConnectionError:
                return
            except Exception as error:  # noqa: BLE001 - the far side must hear of it; it is ours, and no verdict
                wire.send(self._channel, {"failure": f"{type(error).__name__}: {error}"})
            finally:
                for fd in fds:
                    os.close(fd)

    def load(self, request: wire.Message) -> None:
        """Make ready for the submission's language."""
        raise NotImplementedError

    def prepare(self, request: wire.Message) -> None:
        """Do before the fork what the next run need not do again."""

    def become(self, request: wire.Message, fds: dict[str, int]) -> NoReturn:
        """Become the program, in a fork."""
        raise NotImplementedError

    def watch(self, pid: int, request: wire.Message, fds: dict[str, int], started: float) -> Watch:
        """What looks at a run."""
        return Watch(pid, request, fds["stdout"], started)

    def end_the_rest(self, usage: Usage) -> None:
        """End and count whatever else the program started."""
        raise NotImplementedError

    def clean(self) -> None:
        """Leave nothing of a run for the next one to find."""
        raise NotImplementedError

    def take_code_file(self) -> None:
        """Make what keeps the compiled code from run to run."""
        self._code_fd = os.memfd_create("code", os.MFD_CLOEXEC)

    @staticmethod
    def preload(names: list[str]) -> None:
        """Import once what every run of the submission would."""
        # One thread: a pool in this process would not survive the fork, and cores are ours to share out.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        for name in names:
            with contextlib.suppress(ImportError):  # not on this host; the program will hear of it
                importlib.import_module(name)

    def _run(self, request: wire.Message, fds: dict[str, int]) -> None:
        complaint, complain = os.pipe2(os.O_CLOEXEC)
        fds = fds | {"code": self._code_fd, "proc": self._proc_fd, "complain": complain}
        try:
            self.prepare(request)
            started = time.monotonic()
            pid = os.fork()
            if pid == 0:
                self.become(request, fds)
            os.close(fds.pop("complain"))
            answer = self._watch(pid, request, fds, started)
            failure = os.read(complaint, 4096)
            if failure:
                answer["failure"] = failure.decode(errors="replace")
        finally:
            os.close(complaint)
            if "complain" in fds:
                os.close(complain)
        produced = self._open_product(request.get("product"))
        self.clean()
        wire.send(self._channel, answer, produced)
        for fd in produced:
            os.close(fd)

    def _watch(self, pid: int, request: wire.Message, fds: dict[str, int], started: float) -> dict[str, object]:
        """Wait for the program, or end it; then end and count whatever else it started."""
        watch = self.watch(pid, request, fds, started)
        reason = watch.wait(self._channel)
        usage = Usage()
        if reason is not None:
            os.kill(pid, signal.SIGKILL)
        _, status, used = os.wait4(pid, 0)
        wall = time.monotonic() - started
        usage.add(used)
        reason = reason or watch.at_the_end()
        self.end_the_rest(usage)
        return {
            "status": status,
            "reason": reason,
            "cpu_seconds": usage.cpu_seconds,
            "wall_seconds": wall,
            "rss_kb": usage.rss_kb,
            "starved_seconds": watch.starved_seconds,
            "one_process": self.one_process,
        }

    @staticmethod
    def _open_product(path: object) -> list[int]:
        if path is None:
            return []
        try:
            fd = os.open(str(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return []
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return [fd]
        os.close(fd)
        return []


class _NamespaceInit(Init):
    def __init__(self, channel: socket.socket) -> None:
        super().__init__(channel)
        self._tmpfs = ""
        self._tmp_changed_at = 0
        self._program_filter = kernel.Filter(syscalls.program_filter())

    def load(self, request: wire.Message) -> None:
        """Enter the root directory of the language, with a /proc and a /tmp of our own."""
        root = str(request["root"])
        if request["preload"]:
            self.preload(texts(request["preload"]))
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("proc", f"{root}/proc", "proc", flags)
        # Counted against this very user namespace: nothing inside can make another one.
        with open(f"{root}/proc/sys/user/max_user_namespaces", "w") as file:
            file.write("0")
        # Ours to write to, through this descriptor; the program sees the read-only one that covers it.
        self._proc_fd = os.open(f"{root}/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        kernel.mount("proc", f"{root}/proc", "proc", flags | kernel.MS_RDONLY)
        self._tmpfs = f"size={request['disk_bytes']},nr_inodes={request['inodes']},mode=1777"
        os.chroot(root)
        self._mount_tmp()
        kernel.drop_bounding_set()
        self.take_code_file()
        program.limit_submission()
        accounted = bool(request["memory_is_accounted"])
        kernel.Filter(syscalls.submission_filter(memory_is_accounted=accounted)).install()
        gc.freeze()

    def _mount_tmp(self) -> None:
        kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC, self._tmpfs)  # noqa: S108 - the program's own
        os.chdir("/tmp")  # noqa: S108
        self._tmp_changed_at = os.stat("/tmp").st_ctime_ns  # noqa: S108

    def clean(self) -> None:
        """Renew /tmp, unless it is as it was."""
        # The change time of the directory cannot be set back, but is as coarse as a tick of the kernel.
        if os.stat("/tmp").st_ctime_ns == self._tmp_changed_at and not os.listdir("/tmp"):  # noqa: S108
            return
        os.chdir("/")
        kernel.unmount("/tmp")  # noqa: S108
        self._mount_tmp()

    def become(self, request: wire.Message, fds: dict[str, int]) -> NoReturn:
        """Become the program, in a fork."""
        program.become(program.Request.of(request), fds, self._program_filter.install)

    def end_the_rest(self, usage: Usage) -> None:
        """Kill everything else in the namespace."""
        while True:
            with contextlib.suppress(ProcessLookupError):
                # Again in each round: what is being forked while we kill must not get away.
                os.kill(-1, signal.SIGKILL)
            try:
                _, _, used = os.wait4(-1, 0)
            except ChildProcessError:
                return
            usage.add(used)


class Watch:
    """Looks at one run from time to time, just often enough that no limit is passed by much."""

    def __init__(self, pid: int, request: Any, stdout: int, started: float) -> None:
        self.pid = pid
        self._stdout = stdout
        self._cpu_seconds: float = request["cpu_seconds"]
        self._output_bytes: int = request["output_bytes"]
        self._watched_memory: int | None = request["watched_memory_bytes"]
        self._started = started
        self._wall_seconds = float(request["wall_seconds"])
        self._deadline = started + self._wall_seconds
        self.starved_seconds = 0.0

    def wait(self, channel: socket.socket) -> str | None:
        """Return why the program must be ended, or None when it has ended by itself."""
        pidfd = os.pidfd_open(self.pid)
        try:
            poller = select.poll()
            poller.register(pidfd, select.POLLIN)
            poller.register(channel, 0)  # only its end: requests may already be waiting in it
            pause = self._pause(0.0)
            while True:
                ready = [fd for fd, _ in poller.poll(pause * 1000)]
                if channel.fileno() in ready:
                    raise ConnectionError
                if pidfd in ready:
                    return None
                spent = self._cpu_spent()
                reason = self.exceeded(spent)
                if reason is not None:
                    self.starved_seconds = self._starved_for(spent)
                    return reason
                pause = self._pause(spent)
        finally:
            os.close(pidfd)

    def _pause(self, spent: float) -> float:
        longest = _TICK_SECONDS if self._watched_memory is None else _MEMORY_TICK_SECONDS
        until_cpu = (self._cpu_seconds - spent) / _CORES
        until_wall = self._deadline - time.monotonic()
        return max(0.002, min(longest, until_cpu, until_wall))

    def exceeded(self, spent: float) -> str | None:
        """Which limit is passed, if one is."""
        if spent > self._cpu_seconds:
            return "cpu"
        if self._watched_memory is not None and self._memory_held() > self._watched_memory:
            return "memory"
        if os.fstat(self._stdout).st_size > self._output_bytes:
            return "output"
        if time.monotonic() > self._deadline and not self._was_starved(spent):
            return "wall"
        return None

    def _was_starved(self, spent: float) -> bool:
        """Whether others had the core for so long that the wall limit is not reached; it is moved by that time."""
        longest = self._wall_seconds * wire.WALL_STRETCH
        self._deadline = self._started + min(self._wall_seconds + self._starved_for(spent), longest)
        return time.monotonic() <= self._deadline

    def at_the_end(self) -> str | None:
        """Which limit is found to be passed when the program has ended, by what it left."""
        return None

    def _cpu_spent(self) -> float:
        return sum(map(self._cpu_of, self.everybody()))

    def everybody(self) -> list[int]:
        """Every process of the run."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != 1]

    @staticmethod
    def _cpu_of(pid: int) -> float:
        """What a process has spent, its ended children included."""
        try:
            own = time.clock_gettime(((~pid) << 3) | 2)  # the process's CPU clock, see clock_getcpuclockid(3)
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:  # it has ended meanwhile; whoever waits for it is charged
            return 0.0
        return own + (int(fields[13]) + int(fields[14])) / _TICKS_PER_SECOND

    def _memory_held(self) -> int:
        resident = {pid: self._resident(pid) for pid in self.everybody()}
        assert self._watched_memory is not None
        if sum(resident.values()) <= self._watched_memory or len(resident) == 1:
            return sum(resident.values())
        return sum(map(self._proportional, resident))  # dearer, but shared pages count once

    @staticmethod
    def _resident(pid: int) -> int:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE_BYTES
        except OSError:
            return 0

    @staticmethod
    def _proportional(pid: int) -> int:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                return next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:"))
        except (OSError, StopIteration):
            return 0

    def _starved_for(self, spent: float) -> float:
        """For how long a thread was ready to run while something else than the program had the core.

        What a thread waits for the program's other threads is at most what those have run. Of the program's threads the
        one counts that was kept waiting longest by others: a thousand that sleep and wake wait for each other.
        """
        longest = 0.0
        for pid in self.everybody():
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/schedstat", "rb") as file:
                        ran, waited = (int(field) / 1e9 for field in file.read().split()[:2])
                    longest = max(longest, waited - max(0.0, spent - ran))
            except (OSError, ValueError):
                continue
        return longest


def texts(value: object) -> list[str]:
    """A list of strings, as a message carries it."""
    assert isinstance(value, (list, tuple))
    return [str(item) for item in value]
