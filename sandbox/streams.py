"""What servers and workers agree on in Redis: names, scripts, and a connection that comes back.

Jobs of one shard stand in two streams, `{P:SHARD}:urgent` and `{P:SHARD}:jobs`, whose names share a hash tag, so that
on a cluster one slot holds both and a script may touch both. An entry is there exactly as long as its job is not done:
it is deleted when it is acknowledged, and nothing is ever trimmed. Everything that must be one step is one script.

The fields of an entry and of a reply that are not the document itself (`id`, `reply`, `expires`, `deliveries`) mean the
same in every version, so that a worker can hand on, answer or drop a job whose document it cannot read.

A Redis whose memory is full takes no further job and no verdict to remember, and everything else: what is handed in
already is claimed, answered and deleted, which is what makes room.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import hiredis
import redis.asyncio as redis
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from sandbox import redis_access
from sandbox.models import SandboxUnavailableError

log = logging.getLogger(__name__)

Word = str | bytes | int | float
Command = tuple[Word, ...]

GROUP: Final = "workers"
REPLIES_KEPT_SECONDS: Final = 300
ALIVE_SECONDS: Final = 15
BEAT_SECONDS: Final = 3.0
_OLDEST_VERSION: Final = (7, 0)
_SOCKET_SECONDS: Final = 10.0  # without an answer: the connection is given up
_LONGEST_PAUSE_SECONDS: Final = 2.0
_CANCEL_AGAIN_SECONDS: Final = 0.1
_TOGETHER: Final = 256  # commands in one round trip
_TOGETHER_BYTES: Final = 4 * 1024 * 1024
_ROUND_TRIPS: Final = 4  # under way at once


class UnwillingError(RedisConnectionError):
    """Redis answers, and does not do what it is asked for now: its disk is full, say, or its replicas are away."""


_UNWILLING: Final = ("MISCONF ", "NOREPLICAS ", "BUSY ")
# What a connection that is gone, or a Redis that is starting, loading, unwilling or no longer the primary, raises.
OUTAGES: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    ReadOnlyError,
    ClusterDownError,
    MasterDownError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Names:
    """The keys under one prefix."""

    prefix: str
    shards: int = 1

    def jobs(self, shard: int) -> str:
        return f"{{{self.prefix}:{shard}}}:jobs"

    def urgent(self, shard: int) -> str:
        return f"{{{self.prefix}:{shard}}}:urgent"

    def streams(self) -> list[str]:
        """Every stream of jobs."""
        return [name for shard in range(self.shards) for name in (self.urgent(shard), self.jobs(shard))]

    def tidied(self, shard: int) -> str:
        """There while nobody need go through the shard's consumers again."""
        return f"{{{self.prefix}:{shard}}}:tidied"

    def replies(self, server: str) -> str:
        return f"{self.prefix}:replies:{server}"

    def verdict(self, key: bytes) -> str:
        return f"{self.prefix}:verdict:{key.hex()}"

    def running(self, key: bytes) -> str:
        return f"{self.prefix}:running:{key.hex()}"

    def server(self, server: str) -> str:
        """There while the server is alive."""
        return f"{self.prefix}:server:{server}"

    @property
    def workers(self) -> str:
        """The workers, by when they were last heard of."""
        return f"{self.prefix}:workers"


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its hash, by which Redis knows it.

    Its first line tells Redis that it keeps to the keys it names, all in one slot of a cluster (`#!lua`), and whether
    it may run where memory is full (`allow-oom`, and `no-writes` with it).
    """

    source: str

    @property
    def hash(self) -> str:
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


# KEYS: stream. ARGV: most entries, then the fields. The entry's id, or nothing where the stream is full.
SUBMIT: Final = Script("""#!lua
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
""")

# KEYS: stream. ARGV: entry. Deletes what nobody has claimed.
WITHDRAW: Final = Script("""#!lua flags=allow-oom
local held = redis.pcall('XPENDING', KEYS[1], 'workers', ARGV[1], ARGV[1], 1)
if not held.err and #held > 0 then return 0 end
return redis.call('XDEL', KEYS[1], ARGV[1])
""")

# KEYS: stream. ARGV: entry. Whether it is there still.
IS_THERE: Final = Script("""#!lua flags=no-writes
return #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
""")

# KEYS: urgent, jobs. ARGV: consumer, most. Urgent ones first: lists of stream number, entry, fields.
CLAIM: Final = Script("""#!lua flags=allow-oom
local left, claimed = tonumber(ARGV[2]), {}
for number = 1, 2 do
  if left > 0 then
    local got = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[1], 'COUNT', left, 'STREAMS', KEYS[number], '>')
    if got then
      for _, entry in ipairs(got[1][2]) do
        claimed[#claimed + 1] = {number, entry[1], entry[2]}
        left = left - 1
      end
    end
  end
end
return claimed
""")

# KEYS: stream. ARGV: consumer, lease in milliseconds, cursor, most. The next cursor; entry, fields, deliveries of each.
RECLAIM: Final = Script("""#!lua flags=allow-oom
local got = redis.call('XAUTOCLAIM', KEYS[1], 'workers', ARGV[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])
local reclaimed = {}
for _, entry in ipairs(got[2]) do
  local held = redis.call('XPENDING', KEYS[1], 'workers', entry[1], entry[1], 1)
  reclaimed[#reclaimed + 1] = {entry[1], entry[2], held[1][4]}
end
return {got[1], reclaimed}
""")

# KEYS: stream. ARGV: consumer, entries. Renews the lease of each, and names those that another consumer holds by now.
RENEW: Final = Script("""#!lua flags=allow-oom
local lost = {}
for place = 2, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], 'workers', ARGV[place], ARGV[place], 1)
  if #held == 1 and held[1][2] == ARGV[1] then
    redis.call('XCLAIM', KEYS[1], 'workers', ARGV[1], 0, ARGV[place], 'JUSTID')
  elseif #held == 1 then
    lost[#lost + 1] = ARGV[place]
  end
end
return lost
""")

# KEYS: replies. ARGV: seconds, then the fields. Written with an end, for its server may be gone.
REPLY: Final = Script("""#!lua flags=allow-oom
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
""")

# KEYS: stream. ARGV: entry. After the reply is written, never before.
DONE: Final = Script("""#!lua flags=allow-oom
redis.call('XACK', KEYS[1], 'workers', ARGV[1])
return redis.call('XDEL', KEYS[1], ARGV[1])
""")

# KEYS: stream, stream to put it in. ARGV: consumer, entry, deliveries that count. The new entry, if it was ours.
GIVE_BACK: Final = Script("""#!lua flags=allow-oom
local held = redis.call('XPENDING', KEYS[1], 'workers', ARGV[2], ARGV[2], 1)
if #held == 0 or held[1][2] ~= ARGV[1] then return false end
local entry = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
local given = false
if entry then
  local kept = {'deliveries', ARGV[3]}
  for place = 1, #entry[2], 2 do
    if entry[2][place] ~= 'deliveries' then
      kept[#kept + 1] = entry[2][place]
      kept[#kept + 1] = entry[2][place + 1]
    end
  end
  given = redis.call('XADD', KEYS[2], '*', unpack(kept))
end
redis.call('XACK', KEYS[1], 'workers', ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return given
""")

# KEYS: stream. ARGV: consumer. What it holds: entry, fields, deliveries of each.
MINE: Final = Script("""#!lua flags=no-writes
local mine = {}
for _, held in ipairs(redis.call('XPENDING', KEYS[1], 'workers', '-', '+', 1000, ARGV[1])) do
  local entry = redis.call('XRANGE', KEYS[1], held[1], held[1])[1]
  mine[#mine + 1] = {held[1], entry and entry[2] or {}, held[4]}
end
return mine
""")

# KEYS: stream. ARGV: consumer. Forgets it, unless it holds something.
LEAVE: Final = Script("""#!lua flags=allow-oom
if #redis.call('XPENDING', KEYS[1], 'workers', '-', '+', 1, ARGV[1]) > 0 then return 0 end
return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'workers', ARGV[1])
""")

# KEYS: urgent, jobs. Makes the consumer group of each where it is not there.
MAKE_GROUPS: Final = Script("""#!lua flags=allow-oom
for _, key in ipairs(KEYS) do
  local made = redis.pcall('XGROUP', 'CREATE', key, 'workers', '0', 'MKSTREAM')
  if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
end
return true
""")

# KEYS: server. ARGV: seconds. It is alive for as long.
LIVE: Final = Script("""#!lua flags=allow-oom
return redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
""")

# KEYS: what is running. ARGV: who wants to run it, seconds. Who does, or nothing where it is ours from now on.
TAKE: Final = Script("""#!lua
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET', 'EX', ARGV[2])
""")

# KEYS: streams of a shard. Of each: entries, claimed ones, unread ones where Redis knows, the first unread entry.
LOOK: Final = Script("""#!lua flags=no-writes
local found = {}
for number, key in ipairs(KEYS) do
  local pending, lag, first = 0, false, false
  local groups = redis.pcall('XINFO', 'GROUPS', key)
  if not groups.err and groups[1] then
    local facts = {}
    for place = 1, #groups[1], 2 do facts[groups[1][place]] = groups[1][place + 1] end
    pending, lag = facts['pending'], facts['lag']
    local unread = redis.call('XRANGE', key, '(' .. facts['last-delivered-id'], '+', 'COUNT', 1)
    if unread[1] then first = unread[1][1] end
  end
  found[number] = {redis.call('XLEN', key), pending, lag, first}
end
return found
""")

# KEYS: workers. ARGV: what a worker says of itself, seconds after which it counts as gone.
BEAT: Final = Script("""#!lua flags=allow-oom
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 4 * ARGV[2])
""")

# KEYS: workers. ARGV: seconds. What those say that were heard of since; and the time by Redis's clock.
ALIVE: Final = Script("""#!lua flags=no-writes
local now = redis.call('TIME')
return {now[1], redis.call('ZRANGEBYSCORE', KEYS[1], now[1] - ARGV[1], '+inf')}
""")

# KEYS: urgent, jobs, tidied. ARGV: idle milliseconds, milliseconds of peace. Forgets consumers that hold nothing and
# have not been heard of for long. It goes through all of them, so of those who ask only the first is heard.
TIDY: Final = Script("""#!lua flags=allow-oom
if not redis.call('SET', KEYS[3], '', 'NX', 'PX', ARGV[2]) then return 0 end
local gone = 0
for number = 1, 2 do
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[number], 'workers')) do
    local facts = {}
    for place = 1, #consumer, 2 do facts[consumer[place]] = consumer[place + 1] end
    if facts['pending'] == 0 and facts['idle'] > tonumber(ARGV[1]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[number], 'workers', facts['name'])
      gone = gone + 1
    end
  end
end
return gone
""")


class Link:
    """The connections of one process to Redis: `call` for commands, `blocking` for those that wait at the far end."""

    def __init__(self, url: str, names: Names) -> None:
        self.names = names
        self._client = redis_access.client(url, max_connections=_ROUND_TRIPS + 4)
        self._waiting = redis_access.client(url, max_connections=2)
        self._pipe = _Pipe(self._client)
        self.place = redis_access.place(self._client)

    def trouble(self, error: BaseException) -> str:
        """What an error means to whoever set the URL."""
        return redis_access.trouble(self.place, error)

    async def call(self, *command: Word) -> Any:
        """Send a command, together with those that others send at the same time; the answer is as Redis gave it."""
        return await self._pipe.call(command)

    async def run(self, script: Script, keys: list[str], *arguments: Word, company_seconds: float = 0.0) -> Any:
        """Run a script; a Redis that does not have it, or no consumer group, is given them.

        It waits for other commands to travel with, but no longer than `company_seconds`.
        """
        command = ("EVALSHA", script.hash, len(keys), *keys, *arguments)
        for _ in range(3):
            try:
                return await self._pipe.call(command, company_seconds)
            except NoScriptError:
                await self._pipe.call(("SCRIPT", "LOAD", script.source))
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                await self.make_groups()
        return await self._pipe.call(command)

    async def blocking(self, *commands: Command) -> Any:
        """Send commands of which the last one waits, on a connection of their own; its answer is as Redis gave it."""
        answers = await _answers(self._waiting, commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers[-1]

    async def connect(self) -> None:
        """Be sure of an answer, of its version, of all keys, and of the groups.

        Raises:
            SandboxUnavailableError: Redis is older than what this needs, or has only some of our keys.
            RedisError, OSError: no answer, or a refusal.
        """
        told = (await self.call("INFO", "server")).decode().splitlines()
        facts = dict(fact.partition(":")[::2] for fact in told)
        version = facts.get("redis_version", "0")  # Valkey gives the Redis version that it is compatible with
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_VERSION:
            oldest = ".".join(map(str, _OLDEST_VERSION))
            raise SandboxUnavailableError(f"Redis at {self.place} is version {version}; {oldest} or newer is needed")
        if "cluster" in (facts.get("redis_mode"), facts.get("server_mode")):  # the latter is Valkey's
            await self._has_every_slot()
        await self.make_groups()

    async def make_groups(self) -> None:
        """Make the consumer group of every stream, where it is not there."""
        for shard in range(self.names.shards):
            await self.run(MAKE_GROUPS, [self.names.urgent(shard), self.names.jobs(shard)])

    async def _has_every_slot(self) -> None:
        primaries = {bytes(slots[2][2]) for slots in await self.call("CLUSTER", "SLOTS")}
        if len(primaries) > 1:
            raise SandboxUnavailableError(
                f"Redis at {self.place} is one of {len(primaries)} primaries of a cluster and has only some of our"
                " keys; one that has all of them is needed"
            )

    async def close(self) -> None:
        """Close every connection."""
        await self._pipe.close()
        await self._client.aclose()
        await self._waiting.aclose()


def pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """The fields of an entry, which Redis gives in a row."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


class Pauses:
    """How long to wait before the next attempt: longer each time, never the same for two."""

    def __init__(self) -> None:
        self._next_seconds = 0.05

    async def pause(self) -> None:
        await asyncio.sleep(self._next_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - spreads attempts
        self._next_seconds = min(2 * self._next_seconds, _LONGEST_PAUSE_SECONDS)


class _Pipe:
    """Sends what is asked at the same time in one round trip; each asker gets its own answer or error."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._asked: list[tuple[Command, asyncio.Future[Any]]] = []
        self._trips: set[asyncio.Task[None]] = set()

    async def call(self, command: Command, company_seconds: float = 0.0) -> Any:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._asked.append((command, answer))
        # One turn later than needed: what is freed by the end of a job is asked for in the trip that tells the end.
        loop.call_later(company_seconds, loop.call_soon, self._depart)
        return await answer

    async def close(self) -> None:
        for trip in list(self._trips):
            trip.cancel()
        await asyncio.gather(*self._trips, return_exceptions=True)

    def _depart(self) -> None:
        while self._asked and len(self._trips) < _ROUND_TRIPS:
            load = self._load()
            trip = asyncio.create_task(self._travel(load))
            self._trips.add(trip)
            trip.add_done_callback(self._return)

    def _return(self, trip: asyncio.Task[None]) -> None:
        self._trips.discard(trip)
        self._depart()

    def _load(self) -> list[tuple[Command, asyncio.Future[Any]]]:
        count, size = 0, 0
        while count < min(len(self._asked), _TOGETHER) and size < _TOGETHER_BYTES:
            size += sum(len(part) for part in self._asked[count][0] if isinstance(part, str | bytes))
            count += 1
        load, self._asked = self._asked[:count], self._asked[count:]
        return load

    async def _travel(self, load: list[tuple[Command, asyncio.Future[Any]]]) -> None:
        answers: list[Any]
        try:
            answers = await _answers(self._client, [command for command, _ in load])
        except asyncio.CancelledError:
            for _, answer in load:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - theirs who ask; one that got no answer would wait for ever
            answers = [error] * len(load)
        for (_, answer), said in zip(load, answers, strict=True):
            if answer.done():
                continue
            if isinstance(said, Exception):
                answer.set_exception(said)
            else:
                answer.set_result(said)


async def _answers(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    """The answer, or the refusal, of each. They are sent together, on a connection that nobody else has meanwhile.

    redis-py's own pipeline packs in Python and sets an alarm for each answer, at twice the cost.
    """
    connections = client.connection_pool
    connection = await connections.get_connection()  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(_SOCKET_SECONDS):
            packed = map(hiredis.pack_command, commands)  # type: ignore[arg-type] # its stub asks for tuples of one
            await connection.send_packed_command([b"".join(packed)])
        async with asyncio.timeout(_SOCKET_SECONDS):
            return [await _answer(connection) for _ in commands]
    except BaseException:
        await connection.disconnect(nowait=True)  # what is still to come on it would answer somebody else
        raise
    finally:
        await connections.release(connection)


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return UnwillingError(str(error)) if str(error).startswith(_UNWILLING) else error


async def forever(work: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
    """Do `work` every so many seconds; an outage of Redis is met by the next attempt."""
    while True:
        try:
            await work()
        except (RedisError, OSError) as error:
            log.debug("redis", extra={"reason": redis_access.reason(error)})
        await asyncio.sleep(seconds)


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and again: redis-py sends through `asyncio.wait_for`, which in Python 3.11 may lose a cancellation."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_SECONDS)
