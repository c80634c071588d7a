"""The judge at the other end of Redis: hands jobs to workers that run elsewhere, and waits for what they say.

`RedisJudge` promises what `sandbox.models.Judge` says. A call ends with the worker's reply, or with
SandboxUnavailableError when its deadline has passed, or when Redis has been away for `patience_seconds`; it never ends
with a verdict that no worker gave. A job that Redis has lost, by a restart without persistence or a failover, is handed
in again while its deadline allows. Workers may run a job twice; the first reply counts, and others are dropped by id.
A call that is cancelled takes its job back unless a worker has begun it. One connection waits for replies to all of the
server's jobs; the rest goes out in few round trips, many commands in each.

Not promised: exactly one run of a job, and an order among jobs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import secrets
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from sandbox import jobs, languages, streams
from sandbox.dispatch import request_expires, request_urgent
from sandbox.jobs import Job, Reply
from sandbox.judge import examine
from sandbox.models import (
    BadJobError,
    ExecuteJob,
    Execution,
    Health,
    JobFailedError,
    JudgeJob,
    JudgeResult,
    QueueFullError,
    SandboxError,
    SandboxUnavailableError,
)
from sandbox.redis_access import reason
from sandbox.shared_verdicts import SharedVerdicts
from sandbox.streams import OUTAGES, Link, Names, Pauses, ended, forever, pairs
from sandbox.verdicts import CacheObserver, Unobserved, Verdicts

log = logging.getLogger(__name__)

_READ_BLOCK_MS: Final = 1000
_READ_COUNT: Final = 512
_LOOK_SECONDS: Final = 2.0
_WRITTEN_INLINE_BYTES: Final = 256 * 1024  # more than this is written down off the event loop


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where the queue is and what it holds."""

    url: str
    names: Names
    max_jobs: int = 100_000  # in one stream, waiting or in work
    lease_seconds: float = 15.0
    cache_seconds: int = 86_400
    remembered_results: int = 1024
    deadline_seconds: float = 900.0  # of a call that brings no deadline of its own
    patience_seconds: float = 30.0  # how long calls wait for a Redis that is away


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as it was last seen."""

    jobs: int
    pending: int
    lag: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker says of itself; `identities` name what judges each language there."""

    name: str
    slots: int
    tier: str
    identities: Mapping[str, str]


class QueueObserver(CacheObserver, Protocol):
    """Who is told what goes through the queue."""

    def round_trip(self, seconds: float) -> None:
        """A job was answered so long after it was handed in."""

    def redelivered(self, times: int) -> None:
        """A job was answered that had been given to so many workers before."""


class _Unobserved(Unobserved):
    def round_trip(self, seconds: float) -> None:
        """Nobody counts."""

    def redelivered(self, times: int) -> None:
        """Nobody counts."""


@dataclass(eq=False, slots=True)
class _Question:
    """A job on its way, and who waits for its reply."""

    id: str
    job: Job
    stream: str
    expires: float  # unix seconds
    reply: asyncio.Future[Reply]
    entry: bytes | None = None  # in `stream`, once it is there
    asked: float = field(default_factory=time.monotonic)
    sending: asyncio.Task[None] | None = None


class RedisJudge:
    """Judges through workers on a Redis stream."""

    def __init__(self, settings: RedisSettings, observer: QueueObserver | None = None) -> None:
        self._settings = settings
        self._names = settings.names
        self._observer: QueueObserver = observer or _Unobserved()
        self._server = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._link = Link(settings.url, settings.names)
        self._shared = SharedVerdicts(self._link, self._server, settings.cache_seconds, self._observer)
        self._verdicts = Verdicts(settings.remembered_results, self._observer)
        self._numbers = itertools.count()
        self._questions: dict[str, _Question] = {}
        self._matched: list[bytes] = []  # replies that are to be deleted
        self._background: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._down_since = 0.0
        self._problem: str | None = "not started"
        self._seen: dict[str, StreamState] = {}
        self._workers: tuple[WorkerState, ...] = ()
        self._identities: dict[str, tuple[str, ...]] = {}

    # ---- the protocol ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect. Redis may come later, or relent; one that is too old raises SandboxUnavailableError."""
        self._down_since = time.monotonic()
        try:
            await self._connect()
        except SandboxUnavailableError as error:
            self._problem = str(error)
            await self._link.close()
            raise
        except (RedisError, OSError) as error:
            self._problem = self._link.trouble(error)
            log.warning("redis cannot be reached", extra={"at": self._link.place, "reason": self._problem})
        self._loops = [
            asyncio.create_task(self._receive()),
            asyncio.create_task(forever(self._look, _LOOK_SECONDS)),
            asyncio.create_task(forever(self._check, self._settings.lease_seconds)),
        ]

    async def close(self) -> None:
        """Take back what no worker has begun, and close the connections."""
        self._problem = "closed"
        await self._verdicts.close()
        for question in list(self._questions.values()):
            self._answer(question, SandboxUnavailableError("the judge is closing"))
        await asyncio.sleep(0)  # the calls end, and withdraw their jobs
        while self._background:
            await asyncio.gather(*self._background, return_exceptions=True)
        await ended(self._loops)
        if self._loops and self._up.is_set():
            await self._leave()
        await self._link.close()

    async def judge(self, job: JudgeJob) -> JudgeResult:
        """Judge one program; equal jobs are judged once, whichever server they come to."""
        language = languages.find(job.language)
        if language is None:
            raise BadJobError(f"unknown language {job.language!r}")
        examined = await examine(job)
        identities = self._identities.get(language.name, ())
        return await self._verdicts.once(
            b"".join((examined.digest, *sorted(identity.encode() for identity in identities))),
            job,
            lambda: self._shared.once(examined.digest, identities, lambda: self._judge(job, examined.digest)),
        )

    async def execute(self, job: ExecuteJob) -> Execution:
        """Run one program once."""
        if languages.find(job.language) is None:
            raise BadJobError(f"unknown language {job.language!r}")
        ran = (await self._ask(job, secrets.randbelow(self._names.shards), urgent=True)).result
        assert isinstance(ran, Execution)
        return ran

    def health(self) -> Health:
        """Ready when Redis answers. Without a worker jobs wait for one: a fleet of none is woken by what waits."""
        slots = sum(worker.slots for worker in self._workers)
        facts = {
            "redis": self._link.place,
            "workers": str(len(self._workers)),
            "slots": str(slots),
            "in_flight": str(self.in_flight),
            "tier": " ".join(self.tiers),
        }
        there = (
            f"{len(self._workers)} workers, {slots} slots" if self._workers else "no worker is alive; jobs wait for one"
        )
        return Health(self._problem is None, self._problem or there, facts)

    # ---- what an observer may look at --------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Jobs that are handed in and not answered."""
        return len(self._questions)

    @property
    def queue(self) -> Mapping[str, StreamState]:
        """Every stream as it was last seen, by its name."""
        return self._seen

    @property
    def tiers(self) -> tuple[str, ...]:
        """The isolations that live workers have."""
        return tuple(sorted({worker.tier for worker in self._workers}))

    # ---- a job and its reply -----------------------------------------------------------------------------------

    async def _judge(self, job: JudgeJob, digest: bytes) -> JudgeResult:
        shard = int.from_bytes(digest[:4]) % self._names.shards
        judged = (await self._ask(job, shard, urgent=request_urgent.get())).result
        assert isinstance(judged, JudgeResult)
        return judged

    async def _ask(self, job: Job, shard: int, *, urgent: bool) -> Reply:
        expires = request_expires.get() or time.time() + self._settings.deadline_seconds
        question = _Question(
            id=f"{self._server}-{next(self._numbers):x}",
            job=job,
            stream=self._names.urgent(shard) if urgent else self._names.jobs(shard),
            expires=expires,
            reply=asyncio.get_running_loop().create_future(),
        )
        self._questions[question.id] = question
        late = SandboxUnavailableError("no worker has answered in time")
        deadline = asyncio.get_running_loop().call_later(expires - time.time(), self._answer, question, late)
        try:
            self._send(question)
            reply = await question.reply
        finally:
            deadline.cancel()
            del self._questions[question.id]
            if not question.reply.done() or question.reply.cancelled() or question.reply.exception() is not None:
                self._in_background(self._withdraw(question))
        self._observer.round_trip(time.monotonic() - question.asked)
        self._observer.redelivered(reply.deliveries - 1)
        if isinstance(reply.result, SandboxError):
            raise reply.result
        return reply

    def _send(self, question: _Question) -> None:
        """Hand the job in, now or when Redis is there again; it may have been there before."""
        question.entry = None
        question.sending = self._in_background(self._hand_in(question))

    async def _hand_in(self, question: _Question) -> None:
        try:
            fields = await self._fields(question)
            while await self._wanted(question):
                try:
                    entry = await self._link.run(streams.SUBMIT, [question.stream], self._settings.max_jobs, *fields)
                except OUTAGES as error:
                    self._lost_connection(error)
                    await asyncio.sleep(0)
                    continue
                if entry is None:
                    raise QueueFullError(f"{self._settings.max_jobs} jobs are waiting in {question.stream}")
                question.entry = entry
                return
        except SandboxError as error:
            self._answer(question, error)
        except OutOfMemoryError:
            self._answer(question, QueueFullError(f"Redis at {self._link.place} is out of memory"))
        except ResponseError as error:
            self._answer(question, SandboxUnavailableError(self._link.trouble(error)))
        except Exception as error:
            log.exception("job not handed in", extra={"job": question.id})
            self._answer(question, JobFailedError(f"the job could not be handed in: {type(error).__name__}"))

    async def _fields(self, question: _Question) -> list[str | bytes]:
        large = jobs.size_bytes(question.job) > _WRITTEN_INLINE_BYTES
        body = await asyncio.to_thread(jobs.encode_job, question.job) if large else jobs.encode_job(question.job)
        replies = self._names.replies(self._server)
        return ["id", question.id, "reply", replies, "expires", f"{question.expires:.3f}", "body", body]

    async def _withdraw(self, question: _Question) -> None:
        """Take a job back that nobody waits for, unless a worker has begun it."""
        if question.sending is not None:
            await asyncio.gather(question.sending, return_exceptions=True)
        if question.entry is None:
            return
        try:
            await self._link.run(streams.WITHDRAW, [question.stream], question.entry)
        except (RedisError, OSError) as error:
            # Workers drop it when it has expired.
            log.debug("job not withdrawn", extra={"job": question.id, "reason": reason(error)})

    def _answer(self, question: _Question, answer: Reply | SandboxError) -> None:
        if question.reply.done():
            return
        if isinstance(answer, SandboxError):
            question.reply.set_exception(answer)
            question.reply.exception()  # it may be that nobody waits any more
        else:
            question.reply.set_result(answer)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # ---- replies -----------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Read replies for ever, and connect again for ever where that fails."""
        pauses = Pauses()
        while True:
            try:
                if not self._up.is_set():
                    await self._connect()
                    await self._check(everything=True)
                await self._read()
                pauses = Pauses()
            except (RedisError, OSError, SandboxUnavailableError) as error:
                self._lost_connection(error)
                self._give_up_if_hopeless()
                await pauses.pause()

    async def _read(self) -> None:
        """Wait for replies and match them: always from the beginning, whatever Redis's clock says.

        What was matched is deleted with the next look; if that fails, it is read again.
        """
        key = self._names.replies(self._server)
        matched, self._matched = self._matched, []
        commands: list[streams.Command] = [("XDEL", key, *matched)] if matched else []
        commands.append(("XREAD", "COUNT", _READ_COUNT, "BLOCK", _READ_BLOCK_MS, "STREAMS", key, "0"))
        got = await self._link.blocking(*commands)
        entries = got[0][1] if got else []
        self._matched = [entry for entry, _ in entries]
        for _, flat in entries:
            self._match(pairs(flat))

    def _match(self, fields: Mapping[bytes, bytes]) -> None:
        question = self._questions.get(fields.get(b"id", b"").decode("ascii", "replace"))
        if question is None or question.reply.done():
            return  # answered before, expired or cancelled
        if b"moved" in fields:
            question.stream, question.entry = fields[b"stream"].decode(), fields[b"moved"]
            return
        try:
            self._answer(question, jobs.decode_reply(fields.get(b"body", b"")))
        except (jobs.MalformedError, jobs.UnknownVersionError) as error:
            self._answer(question, SandboxUnavailableError(f"a reply that cannot be read: {error}"))

    async def _check(self, *, everything: bool = False) -> None:
        """Hand in again what Redis has lost: what it neither holds nor has answered."""
        if not self._up.is_set():
            return
        before = time.monotonic() - (0.0 if everything else self._settings.lease_seconds)
        held = [one for one in self._questions.values() if one.entry is not None and one.asked <= before]
        there = await asyncio.gather(*(self._is_there(question) for question in held))
        missing = [(one, one.entry) for one, is_there in zip(held, there, strict=True) if not is_there]
        if not missing:
            return
        # A job goes when its reply is written: it may be waiting for us.
        for _, flat in await self._link.call("XRANGE", self._names.replies(self._server), "-", "+"):
            self._match(pairs(flat))
        lost = [one for one, entry in missing if one.entry == entry and not one.reply.done()]
        if lost:
            log.warning("jobs lost by redis, handed in again", extra={"jobs": len(lost)})
        for question in lost:
            self._send(question)

    async def _is_there(self, question: _Question) -> bool:
        assert question.entry is not None
        return bool(await self._link.run(streams.IS_THERE, [question.stream], question.entry))

    # ---- Redis comes and goes ----------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._link.connect()
        await self._look()
        if not self._up.is_set():
            log.info("redis connected", extra={"at": self._link.place})
        self._up.set()
        self._problem = None

    def _lost_connection(self, error: Exception) -> None:
        self._problem = str(error) if isinstance(error, SandboxUnavailableError) else self._link.trouble(error)
        if self._up.is_set():
            self._up.clear()
            self._down_since = time.monotonic()
            log.warning("redis lost", extra={"at": self._link.place, "reason": self._problem})

    def _give_up_if_hopeless(self) -> None:
        if self._patience_left() <= 0:
            for question in list(self._questions.values()):
                self._answer(question, SandboxUnavailableError(self._problem or "no Redis"))

    async def _wanted(self, question: _Question) -> bool:
        """Whether anybody waits for it still, once Redis is there."""
        if not self._up.is_set():
            coming = asyncio.create_task(self._up.wait())
            either: set[asyncio.Future[Any]] = {coming, question.reply}
            try:
                left = max(0.0, self._patience_left())
                await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                coming.cancel()
            if not self._up.is_set() and not question.reply.done():
                raise SandboxUnavailableError(self._problem or "no Redis")
        return not question.reply.done()

    def _patience_left(self) -> float:
        return self._down_since + self._settings.patience_seconds - time.monotonic()

    async def _look(self) -> None:
        """See who works and what waits, and let others know that this server lives."""
        await self._link.run(streams.LIVE, [self._names.server(self._server)], streams.ALIVE_SECONDS)
        now, alive = await self._link.run(streams.ALIVE, [self._names.workers], streams.ALIVE_SECONDS)
        self._workers = tuple(_worker(said) for said in alive)
        if self._workers:  # where nobody is, what judged last is the best guess at what will
            self._identities = _identities(self._workers)
        seen: dict[str, StreamState] = {}
        for shard in range(self._names.shards):
            keys = [self._names.urgent(shard), self._names.jobs(shard)]
            looked = await self._link.run(streams.LOOK, keys)
            seen |= {key: _state(facts, int(now)) for key, facts in zip(keys, looked, strict=True)}
        self._seen = seen

    async def _leave(self) -> None:
        try:
            await self._link.call("DEL", self._names.replies(self._server))
            await self._link.call("DEL", self._names.server(self._server))
        except (RedisError, OSError) as error:
            log.debug("redis", extra={"reason": reason(error)})


def _worker(said: bytes) -> WorkerState:
    facts = json.loads(said)
    return WorkerState(facts["name"], facts["slots"], facts["tier"], facts["identities"])


def _identities(workers: tuple[WorkerState, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for worker in workers:
        for language, identity in worker.identities.items():
            found.setdefault(language, set()).add(identity)
    return {language: tuple(sorted(identities)) for language, identities in found.items()}


def _state(facts: list[Any], now: int) -> StreamState:
    jobs_there, pending, lag, first = facts
    oldest = max(0.0, now - int(first.split(b"-")[0]) / 1000) if first else 0.0
    # Redis cannot tell the lag behind a deleted entry; all that is there and not claimed waits.
    return StreamState(jobs_there, pending, jobs_there - pending if lag is None else lag, oldest)
