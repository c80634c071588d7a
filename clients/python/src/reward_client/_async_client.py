"""The client for asyncio: requests, retries and results of one batch, all under one deadline.

Guaranteed: results come in request order (streamed ones as they finish, with `index`), each rollout exactly once; a
call returns within its deadline, give or take the time to cancel what is in flight; at most `Batching.max_in_flight`
requests are open at a time on one event loop; a request that failed for good ends the call with its exception, and
the requests of the call that were still open are cancelled.

Not guaranteed: that a rollout is judged once. A request whose connection broke is sent again, which changes nothing
but the work of the server: the same input gives the same reward.

A client may be used from several event loops, one after the other or in several threads; each has its own connections.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, JsonValue

from reward_client._batch import (
    Batching,
    Envelope,
    Parcel,
    RolloutLike,
    claim,
    compress,
    encode,
    pack,
    parse,
    read_score,
    read_stream_line,
    split,
)
from reward_client._errors import (
    BadRequestError,
    RewardConnectionError,
    RewardError,
    RewardTimeoutError,
    ServerError,
    TooLargeError,
    UnscoredError,
    error_of_response,
    relocated,
)
from reward_client._http import TransientError, checked_url, described, json_or_text, lines_of, transport_trouble
from reward_client._models import (
    AssertTest,
    CallTest,
    Checker,
    DetectedLanguage,
    Execution,
    Health,
    Judgement,
    Limits,
    Preset,
    Response,
    ScoreResponse,
    ScoreResult,
    StdioTest,
    Verification,
)
from reward_client._progress import Progress, ProgressCallback, reporter
from reward_client._retry import RETRYABLE_STATUS, Backoff, Clock, RetryPolicy, Term, retry_after_seconds
from reward_client._run import Run
from reward_client._version import __version__

_log = logging.getLogger("reward_client")
_Model = TypeVar("_Model", bound=BaseModel)

TestLike = StdioTest | CallTest | AssertTest | Mapping[str, object]

# Bodies below this are encoded and compressed on the event loop: a thread would cost more than it saves.
_OFFLOAD_BYTES = 256 * 1024

# Training steps are minutes apart, but a pool that is too warm only holds sockets the server has closed.
_KEEPALIVE_SECONDS = 30.0


class AsyncRewardClient:
    """The reward server, for asyncio. Use as `async with AsyncRewardClient(url) as client`, or call `aclose`.

    Args:
        base_url: Where the server is.
        token: The bearer token, if the server wants one.
        deadline_seconds: How long a call may take in all, retries included.
        raise_on_unscored: Raise `UnscoredError` from `score` when a rollout has no reward.
        batching: How large batches are cut, and how much is in flight.
        retry: How patient the client is within the deadline.
        connect_seconds: How long one attempt to connect may take.
        headers: Sent with every request.
        ssl_context: For servers with a certificate of a private authority.
        transport: In place of the network: an `httpx.ASGITransport`, an `httpx.MockTransport`, a tuned pool.
        clock: Time and chance; for tests.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        token: str | None = None,
        deadline_seconds: float = 600.0,
        raise_on_unscored: bool = False,
        batching: Batching | None = None,
        retry: RetryPolicy | None = None,
        connect_seconds: float = 10.0,
        headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._base_url = checked_url(base_url)
        self._deadline_seconds = deadline_seconds
        self._raise_on_unscored = raise_on_unscored
        self._batching = batching or Batching()
        self._retry = retry or RetryPolicy()
        self._connect_seconds = connect_seconds
        self._headers = httpx.Headers({"user-agent": f"reward-client/{__version__}"} | dict(headers or {}))
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"
        self._ssl = ssl_context
        self._transport = transport
        self._clock = clock or Clock()
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}
        self._answered_before = False
        self._closed = False

    async def __aenter__(self) -> AsyncRewardClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection. The client cannot be used afterwards; closing twice is no error."""
        self._closed = True
        here = asyncio.get_running_loop()
        for loop, line in list(self._lines.items()):
            del self._lines[loop]
            if loop is here:
                await line.http.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(line.http.aclose(), loop)

    # ---- scoring --------------------------------------------------------------------------------------------------

    async def score(
        self,
        rollouts: Sequence[RolloutLike],
        *,
        preset: str | None = None,
        overrides: Mapping[str, object] | None = None,
        seed: str | int | None = None,
        progress: bool | ProgressCallback = False,
        deadline_seconds: float | None = None,
        raise_on_unscored: bool | None = None,
    ) -> ScoreResponse:
        """Score a batch of any size. No rollouts, no request.

        When the deadline passes, what has been scored is returned, and every other rollout comes back unscored: as the
        server last said if it had said anything, else with the error kind `deadline_exceeded`. An outage is thus never
        taken for a wrong answer, nor does it throw away what was scored.

        Args:
            rollouts: Models or plain mappings.
            preset: The preset's name; the server's default when absent.
            overrides: Switches of the preset to set differently.
            seed: Draws other tests than another seed does.
            progress: True for a bar on standard error, or a callback that is told after each result.
            deadline_seconds: In place of the client's.
            raise_on_unscored: In place of the client's.

        Raises:
            BadRequestError: the server refuses a rollout; nothing of the batch is returned.
            AuthError: no token, or not the right one.
            RewardConnectionError: not once was a server reached, by the deadline or, when it never answered this
                client, within `RetryPolicy.first_contact_seconds`.
            ServerError: the server failed, or replicas score by different presets.
            UnscoredError: a rollout has no reward, and `raise_on_unscored` is set.
        """
        run, inbox = await self._start(rollouts, Envelope(preset, overrides, seed), deadline_seconds)
        async with aclosing(self._results(run, inbox, self._exchange_whole, reporter(progress))) as results:
            async for _ in results:
                pass
        response = run.response()
        wanted = self._raise_on_unscored if raise_on_unscored is None else raise_on_unscored
        if wanted and not all(result.scored for result in response.results):
            raise UnscoredError(response)
        return response

    async def stream(
        self,
        rollouts: Sequence[RolloutLike],
        *,
        preset: str | None = None,
        overrides: Mapping[str, object] | None = None,
        seed: str | int | None = None,
        progress: bool | ProgressCallback = False,
        deadline_seconds: float | None = None,
    ) -> AsyncGenerator[ScoreResult, None]:
        """Yield each result as it is final, in no order; `index` is its place in the list.

        Rollouts, deadline and errors are as in `score`; unscored results are yielded, never raised. The deadline runs
        on while the caller works on a result. Leaving the loop early cancels what is open, at once if the iterator
        is closed (`contextlib.aclosing`). `reward_client.summarise` makes the group summaries.
        """
        run, inbox = await self._start(rollouts, Envelope(preset, overrides, seed), deadline_seconds)
        async with aclosing(self._results(run, inbox, self._exchange_stream, reporter(progress))) as results:
            async for result in results:
                yield result

    # ---- single questions -----------------------------------------------------------------------------------------

    async def verify(
        self,
        answer: str,
        reference: str | Sequence[str],
        *,
        preset: str | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Verification:
        """Compare one answer, or a text with its `\\boxed{}`, with a reference, or with several accepted ones."""
        question = {"answer": answer, "reference": reference, "preset": preset, "overrides": overrides}
        return await self._ask(Verification, "/v1/verify", question)

    async def judge(
        self,
        code: str,
        language: str,
        tests: Sequence[TestLike] | None = None,
        *,
        input_output: Mapping[str, object] | str | None = None,
        fn_name: str | None = None,
        limits: Limits | Mapping[str, object] | None = None,
        checker: str | Checker | Mapping[str, object] | None = None,
        stop_at_first_failure: bool | None = None,
        objects_in_process: bool | None = None,
    ) -> Judgement:
        """Run a program against all of the tests."""
        question = {
            "code": code,
            "language": language,
            "tests": tests,
            "input_output": input_output,
            "fn_name": fn_name,
            "limits": limits,
            "checker": checker,
            "stop_at_first_failure": stop_at_first_failure,
            "objects_in_process": objects_in_process,
        }
        return await self._ask(Judgement, "/v1/judge", question)

    async def execute(
        self, code: str, language: str, *, stdin: str | None = None, limits: Limits | Mapping[str, object] | None = None
    ) -> Execution:
        """Run a program once, without judging it."""
        question = {"code": code, "language": language, "stdin": stdin, "limits": limits}
        return await self._ask(Execution, "/v1/execute", question)

    async def language(self, texts: Sequence[str]) -> list[DetectedLanguage]:
        """Detect the language of each text."""
        return (await self._ask(_Languages, "/v1/language", {"texts": texts})).results

    async def presets(self) -> list[Preset]:
        """The presets that the server has."""
        said = parse(_Presets, await self._fetch("GET", "/v1/presets"))
        return [preset.model_copy(update={"json_schema": said.json_schema}) for preset in said.presets]

    async def preset(self, name: str) -> Preset:
        """One preset. An unknown name is a `BadRequestError` with status 404."""
        return parse(Preset, await self._fetch("GET", f"/v1/presets/{quote(name, safe='')}"))

    async def health(self) -> Health:
        """Ask once whether the server lives.

        Raises:
            RewardConnectionError: it could not be reached.
        """
        return await self._probe("/healthz")

    async def ready(self) -> Health:
        """Ask once whether the server can score now; raises as `health` does."""
        return await self._probe("/readyz")

    async def wait_until_ready(self, deadline_seconds: float = 60.0) -> None:
        """Wait for a server that is starting.

        Raises:
            RewardTimeoutError: it was not ready in time.
        """
        term = self._term(deadline_seconds)
        backoff = Backoff(self._retry, self._clock)
        while not (said := await self._readiness()).ok:
            pause = backoff.pause_seconds(until=term.deadline)
            if pause is None:
                raise RewardTimeoutError(f"not ready within {term.seconds:g} s: {said.body}")
            await self._clock.sleep(pause)

    async def _readiness(self) -> Health:
        try:
            return await self.ready()
        except (RewardConnectionError, RewardTimeoutError) as error:
            return Health(ok=False, status=0, body=str(error))

    # ---- a batch --------------------------------------------------------------------------------------------------

    async def _start(
        self, rollouts: Sequence[RolloutLike], envelope: Envelope, deadline_seconds: float | None
    ) -> tuple[Run, _Inbox]:
        term = self._term(deadline_seconds)
        # In a thread, because encoding tens of thousands of rollouts takes seconds.
        parcels = await asyncio.to_thread(pack, list(rollouts))
        inbox = _Inbox()
        return Run(envelope, parcels, term, self._retry.result_attempts, deliver=inbox.put), inbox

    async def _results(
        self, run: Run, inbox: _Inbox, exchange: _Exchange, report: ProgressCallback | None
    ) -> AsyncGenerator[ScoreResult, None]:
        """Yield every result of a batch once, by the deadline."""
        total, done, unscored, late = len(run.parcels), 0, 0, False
        if report:
            report(Progress(done, total, unscored))
        tasks = [
            asyncio.ensure_future(self._settle(part, run, exchange)) for part in split(run.parcels, self._batching)
        ]
        open_tasks = len(tasks)
        for task in tasks:
            task.add_done_callback(inbox.put)
        try:
            # The last result is not the end: what its request says after it may be that all of them are worthless.
            while done < total or (open_tasks and not late):
                item = await inbox.get(run.term.deadline - self._clock.now())
                if item is None:
                    late = True
                    run.give_up(run.parcels)
                elif isinstance(item, asyncio.Future):
                    open_tasks -= 1
                    item.result()  # raises what ended it
                else:
                    done += 1
                    unscored += not item.scored
                    if report:
                        report(Progress(done, total, unscored))
                    yield item
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self, parcels: Sequence[Parcel], run: Run, exchange: _Exchange) -> None:
        """Send these rollouts until each has its final result or no time is left, in halves if they are too large."""
        parts = deque([list(parcels)])
        while parts:
            part = parts.popleft()
            try:
                await self._settle_part(part, run, exchange)
            except TooLargeError:
                rest = run.pending(part)
                if len(rest) == 1:
                    raise
                parts.extendleft([rest[len(rest) // 2 :], rest[: len(rest) // 2]])

    async def _settle_part(self, parcels: Sequence[Parcel], run: Run, exchange: _Exchange) -> None:
        backoff = Backoff(self._retry, self._clock)
        while pending := run.pending(parcels):
            # A slot is kept over failed tries, so that a server in trouble sees less of us. It is not kept while a
            # few rollouts wait to be sent again: the others need not wait for them.
            async with self._line().slots:
                answered = await self._answered(pending, run, exchange)
            pause = backoff.pause_seconds(until=run.term.deadline) if answered else None
            if run.pending(parcels) and pause is None:
                run.give_up(parcels)
            elif run.pending(parcels):
                _log.info("rollouts sent again", extra={"rollouts": len(run.pending(parcels)), "pause_seconds": pause})
                await self._clock.sleep(pause or 0.0)

    async def _answered(self, parcels: Sequence[Parcel], run: Run, exchange: _Exchange) -> bool:
        """Send until the server has answered for each rollout. False when no time is left for that."""
        backoff = Backoff(self._retry, self._clock)
        while pending := run.pending(parcels):
            try:
                await exchange(pending, run)
            except TransientError as trouble:
                run.failure = trouble.error
                run.reached |= trouble.reached
                left = run.pending(parcels)
                if not left:
                    return True
                if len(left) < len(pending):
                    backoff.reset()
                if not await self._paused(backoff, trouble, run.term):
                    return False
            except BadRequestError as error:
                raise relocated(error, [parcel.index for parcel in pending]) from None
            else:
                run.reached = True
                return True
        return True

    async def _exchange_whole(self, parcels: Sequence[Parcel], run: Run) -> None:
        content = await self._content("POST", "/v1/score", run.envelope.around(parcels))
        response, results = read_score(content, parcels)
        run.take_heading(response)
        for result in results:
            run.take(result)

    async def _exchange_stream(self, parcels: Sequence[Parcel], run: Run) -> None:
        waiting = {parcel.wire_id: parcel for parcel in parcels}
        ended = False
        async with self._response("POST", "/v1/score/stream", run.envelope.around(parcels)) as response:
            run.reached = True
            # Read to the very end, or the connection could not be used again.
            async for line in lines_of(response):
                said = read_stream_line(line)
                if isinstance(said, ScoreResult):
                    run.take(claim(said, waiting))
                else:
                    run.take_heading(said)
                    ended = True
        if not ended:
            raise TransientError(RewardConnectionError("the stream broke off"), reached=True)
        if waiting:
            raise ServerError(f"the stream ended without {len(waiting)} of its results", status=200)

    # ---- one request ----------------------------------------------------------------------------------------------

    async def _ask(self, model: type[_Model], path: str, question: Mapping[str, object]) -> _Model:
        said = {name: value for name, value in question.items() if value is not None}
        return parse(model, await self._fetch("POST", path, encode(said, "body")))

    async def _fetch(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask one question, with retries, within the client's deadline."""
        term = self._term()
        try:
            return await asyncio.wait_for(self._fetch_until(term, method, path, body), term.seconds)
        except RewardError:
            raise
        except asyncio.TimeoutError as error:
            raise RewardTimeoutError(term.reason(None)) from error

    async def _fetch_until(self, term: Term, method: str, path: str, body: bytes | None) -> bytes:
        backoff = Backoff(self._retry, self._clock)
        reached = False
        while True:
            try:
                async with self._line().slots:
                    return await self._content(method, path, body)
            except TransientError as trouble:
                reached |= trouble.reached
                if not await self._paused(backoff, trouble, term):
                    if not reached:
                        raise trouble.error from trouble
                    raise RewardTimeoutError(term.reason(trouble.error)) from trouble.error

    async def _paused(self, backoff: Backoff, trouble: TransientError, term: Term) -> bool:
        """Wait before the next try. False, at once, when there is no time for one."""
        until = term.deadline
        if not self._answered_before and not trouble.reached:
            until = min(until, term.started + self._retry.first_contact_seconds)
        pause = backoff.pause_seconds(until=until, retry_after=trouble.retry_after)
        if pause is None:
            return False
        _log.warning("request failed, trying again in %.1f s: %s", pause, trouble.error)
        await self._clock.sleep(pause)
        return True

    async def _content(self, method: str, path: str, body: bytes | None = None) -> bytes:
        async with self._response(method, path, body) as response:
            return await response.aread()

    @asynccontextmanager
    async def _response(self, method: str, path: str, body: bytes | None) -> AsyncIterator[httpx.Response]:
        """Send one request and give the response, if it is a success.

        Raises:
            TransientError: the same request may succeed later.
            RewardError: it will not.
        """
        content, headers = await self._prepared(body)
        try:
            async with self._line().http.stream(method, path, content=content, headers=headers) as response:
                self._answered_before = True
                if not response.is_success:
                    raise self._refusal(response, await response.aread())
                yield response
        except httpx.TransportError as error:
            raise transport_trouble(error) from error
        except httpx.DecodingError as error:
            raise ServerError(f"the answer cannot be decoded: {error}") from error

    def _refusal(self, response: httpx.Response, body: bytes) -> Exception:
        error = error_of_response(response.status_code, response.headers, body)
        if response.status_code not in RETRYABLE_STATUS:
            return error
        return TransientError(
            error, reached=True, retry_after=retry_after_seconds(response.headers, self._clock.wall())
        )

    async def _prepared(self, body: bytes | None) -> tuple[bytes | None, dict[str, str]]:
        if body is None:
            return None, {}
        headers = {"content-type": "application/json"}
        smallest = self._batching.gzip_bytes
        if smallest is None or len(body) < smallest:
            return body, headers
        packed = await asyncio.to_thread(compress, body) if len(body) >= _OFFLOAD_BYTES else compress(body)
        return packed, headers | {"content-encoding": "gzip"}

    async def _probe(self, path: str) -> Health:
        try:
            response = await self._line().http.get(path, timeout=self._connect_seconds)
        except httpx.ConnectTimeout as error:
            raise RewardConnectionError(described(error)) from error
        except httpx.TimeoutException as error:
            raise RewardTimeoutError(f"no answer within {self._connect_seconds:g} s") from error
        except httpx.TransportError as error:
            raise RewardConnectionError(described(error)) from error
        self._answered_before = True
        return Health(ok=response.is_success, status=response.status_code, body=json_or_text(response))

    def _term(self, seconds: float | None = None) -> Term:
        return Term(self._clock.now(), self._deadline_seconds if seconds is None else seconds)

    def _line(self) -> _Line:
        """The connections of the running loop."""
        if self._closed:
            raise RuntimeError("the client is closed")
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            for ended in [other for other in self._lines if other.is_closed()]:
                del self._lines[ended]
            self._lines[loop] = _Line(self._new_http(), asyncio.Semaphore(self._batching.max_in_flight))
        return self._lines[loop]

    def _new_http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._base_url,
            headers=self._headers,
            # How long an answer may take is for the deadline of the call to say.
            timeout=httpx.Timeout(None, connect=self._connect_seconds),
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=self._batching.max_in_flight,
                keepalive_expiry=_KEEPALIVE_SECONDS,
            ),
            verify=self._ssl or True,
            transport=self._transport,
        )


@dataclass(frozen=True)
class _Line:
    """The connections of one event loop, and the right to use them."""

    http: httpx.AsyncClient
    slots: asyncio.Semaphore


class _Inbox:
    """What the tasks of a batch have to tell. An item that arrives with the deadline is not lost."""

    def __init__(self) -> None:
        self._items: deque[ScoreResult | asyncio.Future[None]] = deque()
        self._bell = asyncio.Event()

    def put(self, item: ScoreResult | asyncio.Future[None]) -> None:
        self._items.append(item)
        self._bell.set()

    async def get(self, seconds: float) -> ScoreResult | asyncio.Future[None] | None:
        """The next item. None when there is none for so long."""
        if not self._items:
            self._bell.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._bell.wait(), max(0.0, seconds))
        return self._items.popleft() if self._items else None


class _Languages(Response):
    """The response of /v1/language."""

    results: list[DetectedLanguage]


class _Presets(Response):
    """The response of /v1/presets, where all share one schema."""

    presets: list[Preset]
    json_schema: dict[str, JsonValue] = Field(default_factory=dict, alias="schema")


_Exchange = Callable[[Sequence[Parcel], Run], Awaitable[None]]
