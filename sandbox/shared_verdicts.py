"""Verdicts that servers and workers share through Redis, and their agreement on who judges what.

What is kept there is what `sandbox.verdicts` calls independent of luck, under a name that holds who judged it. Nothing
depends on it: where Redis does not answer, or holds what cannot be read, the job is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from sandbox.jobs import MalformedError, UnknownVersionError, decode_result, encode_result
from sandbox.models import JudgeResult
from sandbox.streams import TAKE, Link
from sandbox.verdicts import CacheObserver, Unobserved, verdict_key

# How often one server looks for the verdict of another.
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0
_RUNNING_SECONDS: Final = 3600  # the longest that anybody waits for a server that lives and does not judge


class SharedVerdicts:
    """The verdicts of all servers and workers on one Redis, and their agreement on who judges what.

    A server that finds an equal job running elsewhere waits for its verdict, and judges itself when there comes none:
    the other failed, died, or gave a verdict that is not kept.
    """

    def __init__(self, link: Link, server: str, seconds: int, observer: CacheObserver | None = None) -> None:
        self._link = link
        self._server = server
        self._seconds = seconds
        self._observer = observer or Unobserved()

    async def once(
        self, digest: bytes, identities: Sequence[str], judge: Callable[[], Coroutine[Any, Any, JudgeResult]]
    ) -> JudgeResult:
        """The verdict that one of these judges gave, or `judge()`."""
        if not self._seconds:
            return await judge()
        known = await self._known(digest, identities)
        if known is not None:
            self._observer.cache_hit("redis")
            return known
        running = self._link.names.running(digest)
        pause_seconds = _FIRST_PAUSE_SECONDS
        waited = False
        while (owner := await self._claimed_by(running)) is not None:
            waited = True
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(1.5 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            known = await self._known(digest, identities)
            if known is not None:
                self._observer.cache_hit("coalesced")
                return known
            await self._free_if_dead(running, owner)
        try:
            # The other may have ended between our last look and our claim.
            known = await self._known(digest, identities) if waited else None
            if known is not None:
                self._observer.cache_hit("coalesced")
                return known
            return await judge()
        finally:
            await self._quietly("DEL", running)

    async def get(self, key: bytes) -> JudgeResult | None:
        """The verdict of this name, if it is there."""
        written = await self._quietly("GET", self._link.names.verdict(key)) if self._seconds else None
        try:
            return decode_result(written) if written is not None else None
        except (MalformedError, UnknownVersionError):
            return None  # somebody else's; it is judged anew

    async def put(self, key: bytes, result: JudgeResult) -> None:
        """Keep a verdict for as long as verdicts are kept."""
        if self._seconds:
            await self._quietly("SET", self._link.names.verdict(key), encode_result(result), "EX", self._seconds)

    async def _known(self, digest: bytes, identities: Sequence[str]) -> JudgeResult | None:
        for identity in identities:
            found = await self.get(verdict_key(digest, identity))
            if found is not None:
                return found
        return None

    async def _claimed_by(self, running: str) -> bytes | None:
        """Nobody but us from now on, or who."""
        try:
            owner: bytes | None = await self._link.run(TAKE, [running], self._server, _RUNNING_SECONDS)
        except (RedisError, OSError):
            return None
        return owner

    async def _free_if_dead(self, running: str, owner: bytes) -> None:
        alive = await self._quietly("EXISTS", self._link.names.server(owner.decode("ascii", "replace")))
        if alive == 0:
            await self._quietly("DEL", running)

    async def _quietly(self, *command: str | bytes | int) -> Any:
        try:
            return await self._link.call(*command)
        except (RedisError, OSError):
            return None
