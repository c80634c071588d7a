"""The client for code that blocks: the asynchronous one on an event loop in a thread of its own.

One implementation behind both, so both keep the same promises. Many threads may share one client, and it works where a
loop already runs, as in a notebook. Ctrl-C ends a call at once and cancels its requests. Progress callbacks run in the
caller's thread. After a fork the child gets its own thread and connections.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import closing
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

import httpx

from reward_client._async_client import AsyncRewardClient, TestLike
from reward_client._batch import Batching, RolloutLike
from reward_client._loop_thread import LoopThread
from reward_client._models import (
    Checker,
    DetectedLanguage,
    Execution,
    Health,
    Judgement,
    Limits,
    Preset,
    ScoreResponse,
    ScoreResult,
    Verification,
)
from reward_client._progress import Progress, ProgressCallback, reporter
from reward_client._retry import Clock, RetryPolicy

_T = TypeVar("_T")
_Told = TypeVar("_Told")


class RewardClient:
    """The reward server. Use as `with RewardClient(url) as client`, or call `close`.

    Arguments, results and exceptions are those of `AsyncRewardClient`.
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
        self._new_client: Callable[[], AsyncRewardClient] = lambda: AsyncRewardClient(
            base_url,
            token=token,
            deadline_seconds=deadline_seconds,
            raise_on_unscored=raise_on_unscored,
            batching=batching,
            retry=retry,
            connect_seconds=connect_seconds,
            headers=headers,
            ssl_context=ssl_context,
            transport=transport,
            clock=clock,
        )
        self._client = self._new_client()  # refuses wrong arguments here and not at the first call
        self._thread: LoopThread | None = None
        self._left_behind: list[object] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> RewardClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and end the thread; calls running elsewhere raise. Closing twice is no error."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    def score(
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
        """Score a batch of any size; see `AsyncRewardClient.score`."""

        def scoring(tell: ProgressCallback | bool) -> Coroutine[Any, Any, ScoreResponse]:
            return self._client.score(
                rollouts,
                preset=preset,
                overrides=overrides,
                seed=seed,
                progress=tell,
                deadline_seconds=deadline_seconds,
                raise_on_unscored=raise_on_unscored,
            )

        report = reporter(progress)
        if report is None:
            return self._wait(lambda: scoring(False))
        response: list[ScoreResponse] = []

        async def work(tell: ProgressCallback) -> None:
            response.append(await scoring(tell))

        with closing(self._told(work)) as told:
            for news in told:
                report(news)
        return response[0]

    def stream(
        self,
        rollouts: Sequence[RolloutLike],
        *,
        preset: str | None = None,
        overrides: Mapping[str, object] | None = None,
        seed: str | int | None = None,
        progress: bool | ProgressCallback = False,
        deadline_seconds: float | None = None,
    ) -> Generator[ScoreResult, None, None]:
        """Yield each result as it is final; see `AsyncRewardClient.stream`. Leaving the loop early cancels the rest."""
        report = reporter(progress)

        async def work(tell: Callable[[ScoreResult | Progress], None]) -> None:
            async for result in self._client.stream(
                rollouts,
                preset=preset,
                overrides=overrides,
                seed=seed,
                progress=tell if report else False,
                deadline_seconds=deadline_seconds,
            ):
                tell(result)

        with closing(self._told(work)) as told:
            for news in told:
                if isinstance(news, ScoreResult):
                    yield news
                elif report:
                    report(news)

    def verify(
        self,
        answer: str,
        reference: str | Sequence[str],
        *,
        preset: str | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> Verification:
        """Compare one answer, or a text with its `\\boxed{}`, with a reference, or with several accepted ones."""
        return self._wait(lambda: self._client.verify(answer, reference, preset=preset, overrides=overrides))

    def judge(
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
        return self._wait(
            lambda: self._client.judge(
                code,
                language,
                tests,
                input_output=input_output,
                fn_name=fn_name,
                limits=limits,
                checker=checker,
                stop_at_first_failure=stop_at_first_failure,
                objects_in_process=objects_in_process,
            )
        )

    def execute(
        self, code: str, language: str, *, stdin: str | None = None, limits: Limits | Mapping[str, object] | None = None
    ) -> Execution:
        """Run a program once, without judging it."""
        return self._wait(lambda: self._client.execute(code, language, stdin=stdin, limits=limits))

    def language(self, texts: Sequence[str]) -> list[DetectedLanguage]:
        """Detect the language of each text."""
        return self._wait(lambda: self._client.language(texts))

    def presets(self) -> list[Preset]:
        """The presets that the server has."""
        return self._wait(lambda: self._client.presets())

    def preset(self, name: str) -> Preset:
        """One preset; see `AsyncRewardClient.preset`."""
        return self._wait(lambda: self._client.preset(name))

    def health(self) -> Health:
        """Ask once whether the server lives; see `AsyncRewardClient.health`."""
        return self._wait(lambda: self._client.health())

    def ready(self) -> Health:
        """Ask once whether the server can score now."""
        return self._wait(lambda: self._client.ready())

    def wait_until_ready(self, deadline_seconds: float = 60.0) -> None:
        """Wait for a server that is starting; see `AsyncRewardClient.wait_until_ready`."""
        self._wait(lambda: self._client.wait_until_ready(deadline_seconds))

    def _wait(self, start: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        thread = self._running_thread()
        future = thread.submit(start())
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("the client was closed during the call") from None
        finally:
            future.cancel()  # Ctrl-C ends the wait, and with it the work

    def _told(
        self, work: Callable[[Callable[[_Told], None]], Coroutine[Any, Any, None]]
    ) -> Generator[_Told, None, None]:
        """Yield in this thread what a coroutine tells in the other; raise what it raises."""
        inbox: SimpleQueue[_Told | None] = SimpleQueue()
        thread = self._running_thread()
        future = thread.submit(work(inbox.put))
        future.add_done_callback(lambda _: inbox.put(None))
        try:
            while (news := inbox.get()) is not None:
                yield news
            future.result()
        except CancelledError:
            raise RuntimeError("the client was closed during the call") from None
        finally:
            future.cancel()

    def _running_thread(self) -> LoopThread:
        if self._thread is not None and self._thread.forked:
            # Another thread of the parent may have held the lock when it forked. What belongs to the parent is kept
            # and never used: to be collected, its loop would have to be closed, and it shares descriptors with ours.
            self._left_behind += [self._thread, self._client]
            self._thread, self._client, self._lock = None, self._new_client(), threading.Lock()
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._thread is None:
                self._thread = LoopThread(last=self._client.aclose)
            return self._thread
