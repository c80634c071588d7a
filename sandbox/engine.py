"""What we ask of dockerd, each in a thread of its own, and how a container of ours is made.

Every container carries a label that says whose it is: this boot of the machine, the pid namespace, the process and when
it started, and one of several judges in it. An orphan is a container whose process is known to be no more; what cannot
be known, a neighbour in another pid namespace for example, is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import os
import secrets
import socket
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sandbox.models import SandboxUnavailableError
from sandbox.runs import SlotDiedError

LABEL: Final = "reward-sandbox"
_AGENT: Final = (
    *("python3", "-m", "sandbox", "agent"),
    *("--cache-dir", "/usr/local/share/reward-server", "--scratch", "/tmp"),  # noqa: S108 - the container's
)
_FIRST_USER: Final = 20_000
_USERS: Final = 40_000  # up to 60,000: remapped user ids end at 65,536
_CALL_SECONDS: Final = 60
_USUAL_PLACE: Final = "unix:///var/run/docker.sock"
_THREADS: Final = 8
_MIB: Final = 1024 * 1024

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Mould:
    """What all containers of a judge have in common."""

    image: str
    runtime: str
    accept_lost: tuple[str, ...]
    seccomp: str | None  # the text of a profile
    memory_mb: int
    processes: int


class Engine:
    """A dockerd, through its SDK."""

    def __init__(self, mould: Mould, docker_host: str | None) -> None:
        self._mould = mould
        self._docker_host = docker_host
        self._mine = f"{identity()}.{secrets.token_hex(4)}"
        self._names = (f"{LABEL}-{os.getpid()}-{self._mine.rpartition('.')[2]}-{n}" for n in itertools.count())
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dockerd")
        self._clients = threading.local()
        self._opened: list[Any] = []
        self._starting: set[asyncio.Future[socket.socket]] = set()

    async def open(self) -> None:
        """See that dockerd and the image are there, and remove orphans. Raises SandboxUnavailableError."""
        try:
            await self._call(self._look)
        except SlotDiedError as error:
            raise SandboxUnavailableError(f"dockerd cannot be used: {error}") from error

    def _look(self) -> None:
        client = self._client()
        try:
            client.inspect_image(self._mould.image)
        except _sdk().errors.ImageNotFound:
            raise SandboxUnavailableError(
                f"there is no image {self._mould.image}: build it with deploy/build-images.sh"
            ) from None
        for container in client.containers(all=True, filters={"label": LABEL}):
            if is_orphan(container["Labels"][LABEL]):
                self._remove(container["Id"])

    def new_name(self) -> str:
        """A name for the next container."""
        return next(self._names)

    async def start(self, name: str, index: int) -> socket.socket:
        """Make a container and start it; the stream leads to its standard input and output. Raises SlotDiedError."""
        starting = asyncio.ensure_future(self._call(lambda: self._start(name, index)))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_close_stream)  # a thread cannot be stopped; nobody waits for what it brings
            raise

    def _start(self, name: str, index: int) -> socket.socket:
        client = self._client()
        client.create_container_from_config(self._config(index), name)
        # Before it starts: nothing that it says is lost.
        attached = client.attach_socket(name, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        if not hasattr(attached, "fileno") or type(attached).__module__ == "ssl":
            raise SlotDiedError("dockerd over TLS or ssh is not supported; use its socket")
        stream = socket.socket(fileno=os.dup(attached.fileno()))
        # Both, for the one keeps the other open, and the SDK keeps that.
        held = getattr(attached, "_sock", attached)
        attached.close()
        held.close()
        try:
            client.start(name)
        except BaseException:
            stream.close()
            raise
        return stream

    def _config(self, index: int) -> dict[str, Any]:
        user = str(_FIRST_USER + (zlib.crc32(self._mine.encode()) + index) % _USERS)
        return {
            "Image": self._mould.image,
            "Entrypoint": list(_AGENT),
            "Cmd": ["--accept-lost", ",".join(self._mould.accept_lost)] if self._mould.accept_lost else [],
            "User": f"{user}:{user}",  # limits on processes are counted by user id
            "Labels": {LABEL: self._mine},
            "Hostname": "sandbox",
            "WorkingDir": "/tmp",  # noqa: S108 - the container's
            "Env": [],
            "OpenStdin": True,
            "StdinOnce": True,  # the end of our connection is the end of its standard input
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": False,
            "NetworkDisabled": True,
            "HostConfig": self._confinement(),
        }

    def _confinement(self) -> dict[str, Any]:
        mould = self._mould
        confinement: dict[str, Any] = {
            "AutoRemove": True,
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": f"rw,nosuid,nodev,noexec,mode=1777,size={mould.memory_mb // 2}m"},  # noqa: S108
            "ShmSize": _MIB,
            "PidsLimit": mould.processes,
            "Memory": mould.memory_mb * _MIB,
            "MemorySwap": mould.memory_mb * _MIB,
            "NanoCpus": 1_000_000_000,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "OomScoreAdj": 500,
            "LogConfig": {"Type": "none", "Config": {}},
            "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        }
        if mould.runtime:
            confinement["Runtime"] = mould.runtime
        if mould.seccomp is not None:
            # Who allows namespaces inside allows a /proc of their own, which no kernel does below a masked one.
            confinement["SecurityOpt"] += [f"seccomp={mould.seccomp}", "apparmor=unconfined"]
            confinement["MaskedPaths"] = confinement["ReadonlyPaths"] = []
        return confinement

    async def remove(self, name: str) -> None:
        """End a container, and wait until it is gone. Where that fails, the next start finds it."""
        with contextlib.suppress(SlotDiedError):
            await self._call(lambda: self._remove(name))

    def _remove(self, name: str) -> None:
        errors = _sdk().errors
        with contextlib.suppress(errors.NotFound, errors.APIError):  # or it is removing itself
            self._client().remove_container(name, force=True, v=True)

    async def close(self) -> None:
        """Remove all that is left of this judge's."""
        await asyncio.gather(*self._starting, return_exceptions=True)
        with contextlib.suppress(SlotDiedError):
            await self._call(self._remove_mine)
        await asyncio.to_thread(self._threads.shutdown)
        for client in self._opened:
            client.close()

    def _remove_mine(self) -> None:
        for container in self._client().containers(all=True, filters={"label": f"{LABEL}={self._mine}"}):
            self._remove(container["Id"])

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self._named(work))

    def _named(self, work: Callable[[], _Result]) -> _Result:
        """Call, and turn what the SDK raises into what we do."""
        try:
            return work()
        except (_sdk().errors.DockerException, importlib.import_module("requests").RequestException, OSError) as error:
            raise SlotDiedError(f"dockerd: {error}") from error

    def _client(self) -> Any:
        """This thread's client: the SDK does not say that threads may share one."""
        if not hasattr(self._clients, "client"):
            sdk = _sdk()
            where = {"base_url": self._docker_host} if self._docker_host else sdk.utils.kwargs_from_env()
            reach(where.get("base_url", _USUAL_PLACE))
            self._clients.client = sdk.APIClient(**where, version="auto", timeout=_CALL_SECONDS)
            self._opened.append(self._clients.client)
        return self._clients.client


def _close_stream(started: asyncio.Future[socket.socket]) -> None:
    if not started.cancelled() and started.exception() is None:
        started.result().close()


def _sdk() -> Any:
    """The SDK, imported by those alone who use this backend."""
    try:
        return importlib.import_module("docker")
    except ImportError as error:
        raise SandboxUnavailableError("the package docker is missing: pip install docker") from error


def reach(address: str) -> None:
    """Connect to where dockerd should be, if that is a socket of this machine. Raises OSError.

    The SDK asks too, and when nobody answers leaves its own end open.
    """
    _, is_local, path = address.partition("unix://")
    if is_local:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


def identity() -> str:
    """What tells this process from all others, as long as somebody remembers."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().split("-")[0]
    namespace = os.stat("/proc/self/ns/pid").st_ino
    return f"{boot}.{namespace}.{os.getpid()}.{_started(os.getpid())}"


def is_orphan(label: str) -> bool:
    """Whether the process that made a container is known to be no more."""
    boot, namespace, pid, started = (label.split(".") + [""] * 4)[:4]
    if [boot, namespace] != identity().split(".")[:2] or not pid.isdigit():
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process started, in ticks since the boot; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
