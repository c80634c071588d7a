"""Takes jobs from Redis, judges them on this machine, and answers.

A worker claims as many jobs as it has slots free, never more; a slot is free when its program has ended, and the reply
is written beside the next one. A job is acknowledged after its reply is written: who dies in between costs a second
run, never a reply. While a job runs its lease is renewed; the jobs of a worker that went
silent are taken over by any other when the lease has passed. A job that is delivered for the third time is answered
with an error and not run: whatever it does to its workers, it does no more. Told to stop, a worker claims nothing, ends
what it can within its grace and gives the rest back, without counting that against the job.

Not promised: that a job runs once. Two workers may run it, where one was taken for dead; the server takes the first
reply, and a worker that finds its job in other hands ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis.exceptions import RedisError

from sandbox import jobs, languages, streams, toolchain
from sandbox.dispatch import request_key
from sandbox.jobs import Job, Reply
from sandbox.judge import examine
from sandbox.models import (
    Health,
    JobFailedError,
    Judge,
    JudgeJob,
    SandboxError,
    SandboxUnavailableError,
)
from sandbox.redis_access import reason
from sandbox.shared_verdicts import SharedVerdicts
from sandbox.streams import GROUP, OUTAGES, Link, Names, Pauses, ended, forever, pairs
from sandbox.verdicts import depends_on_luck, verdict_key

log = logging.getLogger(__name__)

_NOT_STARTED: Final = "not started"
_BLOCK_MS: Final = 1000
_MOST_DELIVERIES: Final = 3  # with the third it is answered without being run
_HESITATION_SECONDS: Final = 0.5  # of a slot that gave a job back, so that another worker gets it
_DONE_SECONDS: Final = 0.1  # at most, after a reply: nobody waits for it, so it travels with what is asked next
_READ_INLINE_BYTES: Final = 64 * 1024
_TIDY_SECONDS: Final = 600.0
_TIDIED_MS: Final = 540_000  # less than until this worker asks again, or every other time would be for nothing
_FORGOTTEN_AFTER_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Where the jobs are, and how many run at once."""

    url: str
    names: Names
    slots: int
    tier: str = "unknown"
    lease_seconds: float = 15.0
    cache_seconds: int = 86_400
    drain_seconds: float = 30.0


class WorkerObserver(Protocol):
    """Who is told how jobs end."""

    def job(self, ending: str, seconds: float) -> None:
        """A job ended: with a verdict, or `remembered`, `error`, `expired`, `poison`, `lost`, `returned`."""

    def reclaimed(self) -> None:
        """A job of a silent worker was taken over."""

    def returned(self) -> None:
        """A job was given back to the queue."""


class _Unobserved:
    def job(self, ending: str, seconds: float) -> None:
        """Nobody counts."""

    def reclaimed(self) -> None:
        """Nobody counts."""

    def returned(self) -> None:
        """Nobody counts."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """An entry that this worker holds."""

    shard: int
    stream: str
    entry: bytes
    fields: Mapping[bytes, bytes]
    here: int  # deliveries of this entry, ours included

    @property
    def id(self) -> str:
        return self.fields.get(b"id", b"?").decode("ascii", "replace")

    @property
    def deliveries(self) -> int:
        """Of the job; an entry that was given back carries what it had."""
        return self.here + int(self.fields.get(b"deliveries", b"0"))

    @property
    def expires(self) -> float:
        return float(self.fields.get(b"expires", b"inf"))


class Worker:
    """Runs `slots` jobs at a time on a judge that is started."""

    def __init__(self, judge: Judge, settings: WorkerSettings, observer: WorkerObserver | None = None) -> None:
        self._judge = judge
        self._settings = settings
        self._names = settings.names
        self._observer: WorkerObserver = observer or _Unobserved()
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._link = Link(settings.url, settings.names)
        self._shared = SharedVerdicts(self._link, self.name, settings.cache_seconds)
        self._identities: dict[str, str] = {}
        self._held: dict[bytes, tuple[_Claim, asyncio.Task[None]]] = {}
        self._on_slots: set[bytes] = set()  # of the held ones, those that are not judged yet
        self._keeping: set[asyncio.Task[None]] = set()  # verdicts
        self._freed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stopped: asyncio.Future[object]  # of `_stopping`, for as long as `run` runs
        self._problem: str | None = _NOT_STARTED
        self._home = secrets.randbelow(settings.names.shards)
        self._cursors: dict[str, bytes] = {}
        self._reclaim_at = 0.0

    @property
    def slots(self) -> int:
        return self._settings.slots

    @property
    def tier(self) -> str:
        """What isolates the programs."""
        return self._settings.tier

    @property
    def busy(self) -> int:
        """Slots that have a job; a job whose reply is being written has none."""
        return len(self._on_slots)

    def health(self) -> Health:
        """Ready while it claims."""
        judge = self._judge.health()
        stopping = "stopping" if self._stopping.is_set() else None
        problem = stopping or self._problem or (None if judge.ready else judge.detail)
        return Health(problem is None, problem or judge.detail, judge.facts)

    def stop(self) -> None:
        """Claim no more; `run` returns when what is held has ended or been given back."""
        self._stopping.set()
        self._freed.set()

    async def run(self) -> None:
        """Work until `stop`. Raises SandboxUnavailableError for a Redis that is too old."""
        self._identities = await _identities(self._settings.tier)
        self._stopped = asyncio.ensure_future(self._stopping.wait())
        beating = [
            asyncio.create_task(forever(self._beat, streams.BEAT_SECONDS)),
            asyncio.create_task(forever(self._renew, self._settings.lease_seconds / 3)),
            asyncio.create_task(forever(self._tidy, _TIDY_SECONDS)),
        ]
        try:
            await self._work()
            await self._drain()
        finally:
            await ended([*beating, self._stopped])
            await self._leave()
            await self._link.close()

    # ---- claiming ----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        pauses = Pauses()
        connected = False
        while not self._stopping.is_set():
            try:
                if not connected:
                    await self._link.connect()
                    await self._beat()
                    connected = True
                await self._until_free()
                if not self._stopping.is_set():
                    await self._or_stop(self._claim())
                pauses = Pauses()
            except (RedisError, OSError) as error:
                connected = False
                self._lost_connection(error)
                await self._or_stop(pauses.pause())

    def _lost_connection(self, error: Exception) -> None:
        before, self._problem = self._problem, self._link.trouble(error)
        if before is None or before == _NOT_STARTED:
            log.warning("redis lost", extra={"at": self._link.place, "reason": self._problem})

    async def _or_stop(self, work: Any) -> None:
        """Await `work`, but no longer than this worker is wanted."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            if not working.done():
                # An entry that Redis sends just now is ours without our knowing; `_give_back_unknown` finds it.
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)

    async def _until_free(self) -> None:
        while self._free <= 0 and not self._stopping.is_set():
            self._freed.clear()
            await self._freed.wait()

    @property
    def _free(self) -> int:
        return self._settings.slots - len(self._on_slots)

    async def _claim(self) -> None:
        """What was abandoned, then what is urgent, then what comes first; else wait for something to come."""
        if time.monotonic() >= self._reclaim_at:
            self._reclaim_at = time.monotonic() + self._settings.lease_seconds / 3
            for shard in self._shards():
                await self._reclaim(shard)
        found = False
        for shard in self._shards():
            if self._free > 0:
                keys = [self._names.urgent(shard), self._names.jobs(shard)]
                for number, entry, flat in await self._link.run(streams.CLAIM, keys, self.name, self._free):
                    found = True
                    self._begin(_Claim(shard, keys[number - 1], entry, pairs(flat), 1))
        if not found and self._free > 0:
            await self._wait_for_jobs(self._home)

    def _shards(self) -> list[int]:
        count = self._names.shards
        return [(self._home + offset) % count for offset in range(count)]

    async def _wait_for_jobs(self, shard: int) -> None:
        keys = [self._names.urgent(shard), self._names.jobs(shard)]
        # The count holds for each stream; a job too many, which both can bring at once, goes back.
        count = max(1, self._free // 2)
        command = ("XREADGROUP", "GROUP", GROUP, self.name, "COUNT", count, "BLOCK", _BLOCK_MS)
        try:
            got = await self._link.blocking((*command, "STREAMS", *keys, ">", ">"))
        except RedisError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._link.make_groups()
            return
        claims = [
            _Claim(shard, stream.decode(), entry, pairs(flat), 1)
            for stream, entries in sorted(got or (), reverse=True)  # `urgent` before `jobs`
            for entry, flat in entries
        ]
        for claim in claims:
            if self._free > 0:
                self._begin(claim)
            else:
                await self._give_back(claim, counted=claim.deliveries - 1)

    async def _reclaim(self, shard: int) -> None:
        for stream in (self._names.urgent(shard), self._names.jobs(shard)):
            if self._free <= 0:
                return
            lease_ms = int(self._settings.lease_seconds * 1000)
            cursor = self._cursors.get(stream, b"0-0")
            arguments = (self.name, lease_ms, cursor, self._free)
            self._cursors[stream], reclaimed = await self._link.run(streams.RECLAIM, [stream], *arguments)
            for entry, flat, deliveries in reclaimed:
                if entry in self._held:
                    continue  # ours, and late with its renewal
                self._observer.reclaimed()
                self._begin(_Claim(shard, stream, entry, pairs(flat), deliveries))
            if reclaimed:
                self._reclaim_at = 0.0  # there may be more

    # ---- a job -------------------------------------------------------------------------------------------------

    def _begin(self, claim: _Claim) -> None:
        task = asyncio.create_task(self._do(claim))
        self._held[claim.entry] = (claim, task)
        self._on_slots.add(claim.entry)
        task.add_done_callback(lambda _: self._end(claim))

    def _end(self, claim: _Claim) -> None:
        del self._held[claim.entry]
        self._free_slot(claim)

    def _free_slot(self, claim: _Claim) -> None:
        self._on_slots.discard(claim.entry)
        self._freed.set()

    async def _do(self, claim: _Claim) -> None:
        """Judge and answer."""
        started = time.monotonic()
        ending = "lost"
        try:
            ending = await self._done(claim)
        except asyncio.CancelledError:
            ending = "returned" if self._stopping.is_set() else "lost"
            raise
        except OUTAGES as error:
            # Nobody was told; whoever takes it over tells.
            log.warning("job abandoned", extra={"job": claim.id, "reason": reason(error)})
        except RedisError as error:
            log.error("job abandoned", extra={"job": claim.id, "reason": reason(error)})
        finally:
            self._observer.job(ending, time.monotonic() - started)

    async def _done(self, claim: _Claim) -> str:
        if claim.expires <= time.time():
            await self._finish(claim, Reply(SandboxUnavailableError("no worker was free in time"), claim.deliveries))
            return "expired"
        if claim.deliveries >= _MOST_DELIVERIES:
            log.error("job abandoned", extra={"job": claim.id, "deliveries": claim.deliveries})
            failure = JobFailedError(f"given up after {claim.deliveries - 1} workers that did not finish it")
            await self._finish(claim, Reply(failure, claim.deliveries))
            return "poison"
        try:
            job = await _read(claim.fields.get(b"body", b""))
        except jobs.UnknownVersionError:
            # Somebody of another version knows it; it does not stand ahead of what we do know.
            await self._give_back(claim, counted=claim.deliveries - 1, to=claim.stream)
            await asyncio.sleep(_HESITATION_SECONDS)
            return "returned"
        except jobs.MalformedError as error:
            await self._finish(claim, Reply(JobFailedError(f"the job cannot be read: {error}"), claim.deliveries))
            return "error"
        return await self._judged(claim, job)

    async def _judged(self, claim: _Claim, job: Job) -> str:
        request_key.set(claim.id)  # no job waits for another's end
        try:
            async with asyncio.timeout(claim.expires - time.time()):
                reply, ending = await self._answer(claim, job)
        except TimeoutError:
            reply, ending = Reply(SandboxUnavailableError("not judged in time"), claim.deliveries), "expired"
        except SandboxUnavailableError as error:
            # This host may be what is wrong; another may do better, and the count ends it where none does.
            log.warning("job not judged", extra={"job": claim.id, "reason": str(error)})
            if claim.deliveries + 1 < _MOST_DELIVERIES:
                await self._give_back(claim, counted=claim.deliveries)
                await asyncio.sleep(_HESITATION_SECONDS)
                return "returned"
            reply, ending = Reply(error, claim.deliveries), "error"
        except SandboxError as error:
            reply, ending = Reply(error, claim.deliveries), "error"
        except Exception as error:
            log.exception("job failed", extra={"job": claim.id})
            reply, ending = Reply(JobFailedError(f"a fault of the worker: {type(error).__name__}")), "error"
        self._free_slot(claim)
        await self._finish(claim, reply)
        return ending

    async def _answer(self, claim: _Claim, job: Job) -> tuple[Reply, str]:
        if not isinstance(job, JudgeJob):
            ran = await self._judge.execute(job)
            return Reply(ran, claim.deliveries), ran.verdict.value
        key = await self._key(job)
        known = await self._shared.get(key) if key is not None else None
        if known is not None:
            return Reply(known, claim.deliveries), "remembered"
        judged = await self._judge.judge(job)
        self._free_slot(claim)
        if key is not None and not depends_on_luck(job, judged):
            keeping = asyncio.create_task(self._shared.put(key, judged))  # it travels with the reply
            self._keeping.add(keeping)
            keeping.add_done_callback(self._keeping.discard)
            await asyncio.sleep(0)  # it is sent before the reply: who hears of the end finds the verdict
        return Reply(judged, claim.deliveries), judged.verdict.value

    async def _key(self, job: JudgeJob) -> bytes | None:
        language = languages.find(job.language)
        identity = self._identities.get(language.name) if language is not None else None
        return verdict_key((await examine(job)).digest, identity) if identity is not None else None

    async def _finish(self, claim: _Claim, reply: Reply) -> None:
        """The reply first, then the acknowledgement; through an outage for as long as somebody may wait for it."""
        body = jobs.encode_reply(reply)
        pauses = Pauses()
        while True:
            try:
                await self._tell(claim, "body", body)
                await self._link.run(streams.DONE, [claim.stream], claim.entry, company_seconds=_DONE_SECONDS)
            except OUTAGES:
                if time.time() > claim.expires:
                    raise
                await pauses.pause()
            else:
                return

    async def _tell(self, claim: _Claim, *fields: str | bytes) -> None:
        reply = claim.fields.get(b"reply", b"").decode()
        if reply:
            await self._link.run(streams.REPLY, [reply], streams.REPLIES_KEPT_SECONDS, "id", claim.id, *fields)

    # ---- leases ------------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        for stream in self._names.streams():
            entries = [claim.entry for claim, _ in self._held.values() if claim.stream == stream]
            if not entries:
                continue
            for lost in await self._link.run(streams.RENEW, [stream], self.name, *entries):
                if lost in self._held:
                    claim, task = self._held[lost]
                    log.warning("lease lost", extra={"job": claim.id})
                    task.cancel()

    async def _beat(self) -> None:
        """Be heard of. A worker that holds all it can asks for nothing else, and would not notice an outage."""
        if self._stopping.is_set():
            return
        try:
            await self._link.run(streams.BEAT, [self._names.workers], self._said(), streams.ALIVE_SECONDS)
        except (RedisError, OSError) as error:
            self._lost_connection(error)
            raise
        if self._problem is not None:
            log.info("redis connected", extra={"at": self._link.place})
            self._problem = None

    def _said(self) -> str:
        facts = {"name": self.name, "slots": self.slots, "tier": self._settings.tier, "identities": self._identities}
        return json.dumps(facts, sort_keys=True)

    async def _tidy(self) -> None:
        for shard in self._shards():
            keys = [self._names.urgent(shard), self._names.jobs(shard), self._names.tidied(shard)]
            await self._link.run(streams.TIDY, keys, _FORGOTTEN_AFTER_MS, _TIDIED_MS)

    # ---- the end -----------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._link.call("ZREM", self._names.workers, self._said())
        if self._held:
            log.info("draining", extra={"jobs": len(self._held), "seconds": self._settings.drain_seconds})
            await asyncio.wait([task for _, task in self._held.values()], timeout=self._settings.drain_seconds)
        await asyncio.gather(*self._keeping, return_exceptions=True)  # they cost no job its way back
        unfinished = list(self._held.values())
        for _, task in unfinished:
            task.cancel()
        await asyncio.gather(*(task for _, task in unfinished), return_exceptions=True)
        try:
            for claim, _ in unfinished:
                await self._give_back(claim, counted=claim.deliveries - 1)
            await self._give_back_unknown()
        except (RedisError, OSError) as error:
            log.warning("jobs not given back", extra={"jobs": len(unfinished), "reason": reason(error)})

    async def _give_back(self, claim: _Claim, *, counted: int, to: str | None = None) -> None:
        """Put it where the next free worker looks first, and tell its server where it is now."""
        target = to or self._names.urgent(claim.shard)
        entry = await self._link.run(streams.GIVE_BACK, [claim.stream, target], self.name, claim.entry, counted)
        if entry:
            self._observer.returned()
            await self._tell(claim, "moved", entry, "stream", target)

    async def _give_back_unknown(self) -> None:
        """What Redis sent us while we were leaving."""
        for shard in self._shards():
            for stream in (self._names.urgent(shard), self._names.jobs(shard)):
                for entry, flat, deliveries in await self._link.run(streams.MINE, [stream], self.name):
                    claim = _Claim(shard, stream, entry, pairs(flat), deliveries)
                    await self._give_back(claim, counted=claim.deliveries - 1)

    async def _leave(self) -> None:
        """Nothing of this worker stays, unless a job does."""
        with contextlib.suppress(RedisError, OSError):
            for stream in self._names.streams():
                await self._link.run(streams.LEAVE, [stream], self.name)


async def _read(body: bytes) -> Job:
    return jobs.decode_job(body) if len(body) < _READ_INLINE_BYTES else await asyncio.to_thread(jobs.decode_job, body)


async def _identities(tier: str) -> dict[str, str]:
    """What judges each language here."""
    tools = await asyncio.to_thread(languages.host_tools)
    offered = [language for language in languages.LANGUAGES if tools.offers(language)]
    return {language.name: f"{tier} {await toolchain.identity(language)}" for language in offered}
