"""Processes for work that may hang, swell or crash, each task under a limit that the kernel enforces.

Guaranteed: a task never uses more CPU time than it was given (the kernel ends the process, whatever it is doing), nor
more memory than the pool allows; the event loop never waits on a task; a worker that is killed from outside, at any
moment, costs no task its result, which is run again elsewhere; a worker is forked in milliseconds from a nursery that
has already imported everything, so it is warm before it is needed; after `close`, and also after the sudden death of
the server, no process is left. Limits are CPU time, so a verdict does not depend on the load of the machine.

Not promised: isolation. Workers run our own code over data that was bounded before; they are no sandbox.

How it works. The server starts the *nursery*, `python -m reward_server.workers MODULE`, with nothing of its own but
one socket. The nursery imports MODULE, calls its `warm_up()`, and from then on only forks: the server sends it one end
of a new socket pair, it answers with the process id of the worker at the other end, and later with how that worker
ended. A worker reads a JSON task, calls MODULE's `handle(task)`, writes the JSON result. Everything ends by
end-of-file: a nursery without its server ends its workers and itself, an idle worker without its server ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import json
import os
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, cast

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]

_LENGTH = struct.Struct(">I")
_ENDINGS_KEPT = 64


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many workers, what each may use, and how stubborn we are when one is lost."""

    module: str
    workers: int = 2
    memory_bytes: int = 512 * 1024 * 1024
    tasks_per_worker: int = 500  # then it is replaced: SymPy's caches grow without bound
    attempts: int = 8
    # The backstop for a worker that neither computes nor answers (stopped, swapped out): no verdict, a retry.
    wall_seconds_per_cpu_second: float = 12.0
    start_seconds: float = 60.0


class CpuLimitError(Exception):
    """The task used up its CPU time."""


class MemoryLimitError(Exception):
    """The task needed more memory than a worker has."""


class CrashError(Exception):
    """The task ended two workers by a signal of its own making, such as a stack overflow."""


class TaskError(Exception):
    """The task raised; a bug of ours, which running it again would only repeat."""


class PoolUnavailableError(Exception):
    """We lost the worker more often than we retry, or there is none; nothing is known of the task."""


class WorkerPool:
    """A fixed number of warm, killable worker processes, used from one event loop."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._nursery: _Nursery | None = None
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._workers: set[_Worker] = set()
        self._restarts: set[asyncio.Task[None]] = set()
        self._closed = True
        self._restart_lock = asyncio.Lock()

    async def start(self) -> None:
        """Start the nursery and all workers; when this returns they are warm.

        Raises:
            PoolUnavailableError: the nursery did not come up.
        """
        self._closed = False
        try:
            await self._fill()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """End every process that was started."""
        self._closed = True
        for task in list(self._restarts):
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        for worker in list(self._workers):
            worker.kill()
        self._workers.clear()
        self._idle = asyncio.Queue()
        if self._nursery is not None:
            await self._nursery.close()
            self._nursery = None

    @property
    def ready(self) -> bool:
        """Whether a task could run now or as soon as a worker is free."""
        return not self._closed and bool(self._workers)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes of the workers, for diagnosis and for tests that kill them."""
        return tuple(worker.process_id for worker in self._workers)

    @property
    def nursery_process_id(self) -> int | None:
        """The process that workers are forked from."""
        return self._nursery.process_id if self._nursery is not None else None

    async def run(self, task: JsonValue, *, cpu_seconds: float) -> JsonValue:
        """Run one task in a worker and return its result.

        Raises:
            CpuLimitError, MemoryLimitError, CrashError: the task's own doing.
            TaskError: `handle` raised.
            PoolUnavailableError: ours.
        """
        request = json.dumps({"cpu_seconds": cpu_seconds, "task": task}).encode()
        crashes = 0
        for _ in range(self._settings.attempts):
            worker = await self._take()
            try:
                async with asyncio.timeout(1.0 + cpu_seconds * self._settings.wall_seconds_per_cpu_second):
                    reply = await worker.ask(request)
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                ending = await self._discard(worker)
                if ending == signal.SIGPROF:
                    raise CpuLimitError from None
                if ending in {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS}:
                    crashes += 1
                    if crashes == 2:
                        raise CrashError from None
                continue
            except BaseException:
                # The caller gave up in the middle of a task: its worker would answer the next one's question.
                self._discard_later(worker)
                raise
            if reply["ending"] == "out_of_memory":
                self._discard_later(worker)
                raise MemoryLimitError
            self._give_back(worker)
            if reply["ending"] == "error":
                raise TaskError(str(reply["result"]))
            return reply["result"]
        raise PoolUnavailableError("the worker was lost on every attempt")

    async def _take(self) -> _Worker:
        while True:
            if self._closed:
                raise PoolUnavailableError("the pool is closed")
            try:
                async with asyncio.timeout(self._settings.start_seconds):
                    worker = await self._idle.get()
            except TimeoutError:
                if self._workers:
                    continue  # all are busy, which is no failure
                raise PoolUnavailableError("no worker could be started") from None
            if worker in self._workers and not worker.is_gone:
                return worker
            if worker in self._workers:
                self._discard_later(worker)

    def _give_back(self, worker: _Worker) -> None:
        if worker.tasks_done >= self._settings.tasks_per_worker:
            self._discard_later(worker)
        elif worker in self._workers:
            self._idle.put_nowait(worker)

    async def _discard(self, worker: _Worker) -> int | None:
        """End a worker, have another one started, and say which signal ended this one, where that is known."""
        self._workers.discard(worker)
        ending = await self._nursery.ending_of(worker) if self._nursery is not None else None
        worker.kill()
        self._replace()
        return ending

    def _discard_later(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        worker.kill()
        self._replace()

    def _replace(self) -> None:
        if not self._closed:
            task = asyncio.get_running_loop().create_task(self._restart())
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    async def _restart(self) -> None:
        for _ in range(self._settings.attempts):
            try:
                await self._fill()
            except PoolUnavailableError:
                continue
            return

    async def _fill(self) -> None:
        """Have a nursery, and as many workers as there should be."""
        async with self._restart_lock:
            if self._nursery is None or self._nursery.is_gone:
                if self._nursery is not None:
                    await self._nursery.close()
                self._nursery = await _Nursery.start(self._settings, when_gone=self._replace)
            while len(self._workers) < self._settings.workers:
                worker = await self._nursery.fork()
                self._workers.add(worker)
                self._idle.put_nowait(worker)


class _Worker:
    """The server's end of one worker process."""

    def __init__(
        self, process_id: int, process: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process_id = process_id
        self.tasks_done = 0
        self._process: int | None = process  # a pidfd: the id could be another process's by the time we kill
        self._reader = reader
        self._writer = writer

    @property
    def is_gone(self) -> bool:
        return self._process is None or self._reader.at_eof()

    async def ask(self, request: bytes) -> dict[str, JsonValue]:
        self._writer.write(_LENGTH.pack(len(request)) + request)
        await self._writer.drain()
        (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
        reply = json.loads(await self._reader.readexactly(length))
        self.tasks_done += 1
        return cast("dict[str, JsonValue]", reply)

    def kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
            os.close(self._process)
            self._process = None
        self._writer.close()


class _Nursery:
    """The server's end of the process that forks workers and reports their endings."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, when_gone: Callable[[], None]) -> None:
        self._process = process
        self._when_gone = when_gone
        self._control = control
        self._births: asyncio.Queue[int | None] = asyncio.Queue()
        self._endings: dict[int, int] = {}
        self._news = asyncio.Condition()
        self._listening = asyncio.get_running_loop().create_task(self._listen())
        self.is_gone = False

    @classmethod
    async def start(cls, settings: PoolSettings, *, when_gone: Callable[[], None]) -> _Nursery:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = await asyncio.to_thread(_start_nursery, settings, theirs)
        ours.setblocking(False)
        nursery = cls(process, ours, when_gone)
        try:
            async with asyncio.timeout(settings.start_seconds):
                if await nursery._births.get() is None:
                    raise PoolUnavailableError("the nursery ended while it was starting")
        except TimeoutError:
            await nursery.close()
            raise PoolUnavailableError("the nursery did not start in time") from None
        except BaseException:
            await nursery.close()
            raise
        return nursery

    @property
    def process_id(self) -> int:
        return self._process.pid

    async def fork(self) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs:
                socket.send_fds(self._control, [b"fork"], [theirs.fileno()])
            process_id = await self._births.get()
            if process_id is None:
                raise PoolUnavailableError("the nursery is gone")
            process = os.pidfd_open(process_id)
        except OSError as error:
            ours.close()
            raise PoolUnavailableError(str(error)) from error
        except BaseException:
            ours.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return _Worker(process_id, process, reader, writer)

    async def ending_of(self, worker: _Worker) -> int | None:
        """The signal that ended a worker, 0 for an exit; None when it still runs or nobody is left to say."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0), self._news:
                await self._news.wait_for(lambda: worker.process_id in self._endings or self.is_gone)
        return self._endings.pop(worker.process_id, None)

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._control.close()  # at this end-of-file the nursery kills its workers and exits
        try:
            await asyncio.to_thread(self._process.wait, 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                message = await loop.sock_recv(self._control, 64)
            except OSError:
                message = b""
            if not message:
                break
            kind, _, rest = message.decode().partition(" ")
            if kind == "ready":
                self._births.put_nowait(0)
            elif kind == "born":
                self._births.put_nowait(int(rest))
            elif kind == "ended":
                await self._record_ending(*(int(number) for number in rest.split()))
        async with self._news:
            self.is_gone = True
            self._news.notify_all()
        self._births.put_nowait(None)
        self._when_gone()

    async def _record_ending(self, process_id: int, ending: int) -> None:
        async with self._news:
            self._endings[process_id] = ending
            while len(self._endings) > _ENDINGS_KEPT:
                del self._endings[next(iter(self._endings))]
            self._news.notify_all()


def _start_nursery(settings: PoolSettings, control: socket.socket) -> subprocess.Popen[bytes]:
    environment = {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    arguments = ["-m", "reward_server.workers", settings.module, str(control.fileno()), str(settings.memory_bytes)]
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C at the server's terminal is the server's to handle
    )


# ---- From here on: inside the nursery and its workers. ----


def main(module_name: str, control_fd: int, memory_bytes: int) -> None:
    """Be the nursery: import, warm up, then fork workers until the server closes its end."""
    module = importlib.import_module(module_name)
    module.warm_up()
    handle: Callable[[JsonValue], JsonValue] = module.handle
    control = socket.socket(fileno=control_fd)
    wake_read, wake_write = socket.socketpair()
    wake_write.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
    gc.freeze()  # what is imported is never garbage; not touching it keeps its pages shared
    control.send(b"ready")
    children: set[int] = set()
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wake_read:
                    wake_read.recv(4096)
                    _report_endings(control, children)
                    continue
                message, fds = _next_order(control)
                if not message:
                    _end_children(children)
                    return
                process_id = os.fork()
                if process_id == 0:
                    for inherited in (control, wake_read, wake_write):
                        inherited.close()
                    selector.close()
                    _work(socket.socket(fileno=fds[0]), handle, memory_bytes)
                children.add(process_id)
                os.close(fds[0])
                with contextlib.suppress(OSError):  # the server is gone; the next read says so
                    control.send(f"born {process_id}".encode())


def _next_order(control: socket.socket) -> tuple[bytes, list[int]]:
    """What the server asks for; nothing when it is gone, however it went."""
    try:
        message, fds, _, _ = socket.recv_fds(control, 64, 1)
    except ConnectionResetError:
        return b"", []
    return message, fds


def _report_endings(control: socket.socket, children: set[int]) -> None:
    while children:
        try:
            process_id, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process_id == 0:
            return
        children.discard(process_id)
        ending = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        with contextlib.suppress(OSError):  # the server is gone; the next read says so
            control.send(f"ended {process_id} {ending}".encode())


def _end_children(children: set[int]) -> None:
    for process_id in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)
    for process_id in children:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process_id, 0)


def _work(connection: socket.socket, handle: Callable[[JsonValue], JsonValue], memory_bytes: int) -> NoReturn:
    """Be a worker. Never returns into the nursery's loop, whatever happens."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with connection.makefile("rwb") as stream:
            while header := stream.read(_LENGTH.size):
                (length,) = _LENGTH.unpack(header)
                request = json.loads(stream.read(length))
                reply = json.dumps(_answer(request, handle)).encode()
                stream.write(_LENGTH.pack(len(reply)) + reply)
                stream.flush()
    except (OSError, struct.error, ValueError):
        pass  # the server went away in the middle of a message
    finally:
        os._exit(0)


def _answer(request: dict[str, JsonValue], handle: Callable[[JsonValue], JsonValue]) -> dict[str, JsonValue]:
    # ITIMER_PROF counts this process's CPU time, user and system, in the kernel; its signal keeps its default action,
    # which ends the process also inside C code that never returns to the interpreter.
    signal.setitimer(signal.ITIMER_PROF, float(cast("float", request["cpu_seconds"])))
    try:
        return {"ending": "done", "result": handle(request["task"])}
    except MemoryError:
        return {"ending": "out_of_memory", "result": None}
    except Exception as error:  # noqa: BLE001 - the server must hear of it, whatever it is; nothing is retried
        return {"ending": "error", "result": f"{type(error).__name__}: {error}"[:500]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
