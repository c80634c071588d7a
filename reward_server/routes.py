"""The HTTP surface: each route reads, admits, hands over and writes; nothing is decided here."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractContextManager, aclosing
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Security
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, JsonValue, ValidationError
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from language_id.prose import prose
from reward_server import __version__, groups, models
from reward_server.body import read_body
from reward_server.decoding import decode_batch, decode_by_itself
from reward_server.docs import json_body
from reward_server.errors import ApiError, gone, invalid, unavailable
from reward_server.math.extract import last_boxed
from reward_server.math.models import BadReferenceError, MathUnavailableError
from reward_server.models import FieldError
from reward_server.presets import Preset, UnknownPresetError
from reward_server.rewards.code import fn_name, sandbox_checker, sandbox_limits, sandbox_tests
from reward_server.scorer import Batch
from reward_server.service import RETRY_AFTER_SECONDS, Service
from sandbox.dispatch import request_expires, request_urgent
from sandbox.languages import find
from sandbox.models import BadJobError, ExecuteJob, JobFailedError, JudgeJob, QueueFullError, SandboxUnavailableError

Value = TypeVar("Value")
log = logging.getLogger(__name__)

_READING_SECONDS = 60.0
_SMALL_BATCH = 16  # rollouts that somebody may be sitting in front of


async def get_service(request: Request) -> Service:  # not `def`: that would be called in a thread
    """Return the parts of the running server."""
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(get_service)]


class _Authorised(HTTPBearer):
    """Asks for a bearer token where any are configured. One dependency: each is solved anew for every request."""

    async def __call__(self, request: HTTPConnection) -> None:
        tokens = request.app.state.service.settings.api_tokens
        if not tokens:
            return
        bearer = await super().__call__(request)
        sent = bearer.credentials if bearer is not None else ""
        # Every token is compared, in constant time: how long it takes tells nothing.
        matches = [hmac.compare_digest(sent.encode(), token.get_secret_value().encode()) for token in tokens]
        if not any(matches):
            raise ApiError(
                HTTPStatus.UNAUTHORIZED,
                "a valid bearer token is needed: Authorization: Bearer ...",
                headers={"WWW-Authenticate": "Bearer"},
            )


open_router = APIRouter()
_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": models.Problem, "description": "A bearer token is needed."},
    413: {"model": models.Problem, "description": "More than this server takes at once."},
    422: {"model": models.Problem, "description": "Not what the contract says; `errors` names the fields."},
    503: {"model": models.Problem, "description": "Not admitted; come back after `Retry-After` seconds."},
}
_authorised = _Authorised(auto_error=False, scheme_name="HTTPBearer")
_AUTHORISED = Security(_authorised)


class _Direct(APIRoute):
    """A route that calls its endpoint with the request and the service: to solve both anew takes 0.1 ms a request.

    The dependencies of the router and of the endpoint are for the schema.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = self.endpoint
        assert self.dependencies == [_AUTHORISED]
        assert list(inspect.signature(endpoint).parameters) == ["request", "service"], endpoint

        async def answer(request: Request) -> Response:
            await _authorised(request)
            response: Response = await endpoint(request, request.app.state.service)
            return response

        return answer


v1_router = APIRouter(prefix="/v1", dependencies=[_AUTHORISED], responses=_REFUSALS, route_class=_Direct)
v1_lookups = APIRouter(prefix="/v1", dependencies=[_AUTHORISED], responses=_REFUSALS)


# ---- health --------------------------------------------------------------------------------------------------------


@open_router.head("/healthz", include_in_schema=False)
@open_router.get("/healthz", tags=["health"])
async def healthz() -> dict[str, str]:
    """Live: the event loop answers."""
    return {"status": "ok", "version": __version__}


@open_router.head("/readyz", include_in_schema=False)
@open_router.get("/readyz", tags=["health"], responses={503: {"description": "Not ready; `parts` says why."}})
async def readyz(service: TheService) -> JSONResponse:
    """Ready: the pools are warm and every configured part works."""
    readiness = service.readiness()
    status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"ready": readiness.ready, "started": service.started, "parts": readiness.parts}, status)


@open_router.get("/metrics", tags=["health"], response_class=Response)
async def metrics(service: TheService) -> Response:
    """Prometheus metrics."""
    return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


class _AdmittedStream(StreamingResponse):
    """NDJSON that holds its place until it is sent, or until `seconds` have passed: nobody holds it by not reading."""

    media_type = "application/x-ndjson"

    def __init__(
        self, lines: AsyncGenerator[str, None], place: AbstractContextManager[None], *, seconds: float
    ) -> None:
        super().__init__(lines)
        self._lines = lines
        self._place = place
        self._seconds = seconds
        place.__enter__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            # The connection ends without its last line, which says to whoever reads on that it is not whole.
            log.warning("stream not read in time", extra={"seconds": self._seconds})
        finally:
            await self._lines.aclose()
            self._place.__exit__(None, None, None)


# ---- scoring -------------------------------------------------------------------------------------------------------


@v1_router.post(
    "/score", tags=["score"], openapi_extra=json_body(models.ScoreRequest), response_model=models.ScoreResponse
)
async def score(request: Request, service: TheService) -> Response:
    """Score a batch: results in request order, and a summary a group."""
    batch = await _batch(request, service)
    with service.admission.admit(len(batch.rollouts)):
        results = await _while_connected(request, service.scorer.score(batch))
    summary = groups.summarise(results)
    await asyncio.sleep(0)
    return _json(
        models.ScoreResponse(
            preset=batch.preset.name,
            preset_hash=batch.preset.hash,
            version=__version__,
            results=results,
            groups=summary,
        )
    )


@v1_router.post(
    "/score/stream",
    tags=["score"],
    openapi_extra=json_body(models.ScoreRequest),
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "A result a line, then the groups."}},
)
async def score_stream(request: Request, service: TheService) -> StreamingResponse:
    """Score a batch: one NDJSON line a result as each finishes, then a last line with the groups."""
    batch = await _batch(request, service)
    place = service.admission.admit(len(batch.rollouts))
    # Every result is there by the deadline; the rest is time to read.
    return _AdmittedStream(_lines(batch, service), place, seconds=service.deadline.seconds + _READING_SECONDS)


async def _lines(batch: Batch, service: Service) -> AsyncGenerator[str, None]:
    results: dict[int, models.Result] = {}
    async with aclosing(service.scorer.stream(batch)) as scored:
        async for place, result in scored:
            results[place] = result
            yield models.StreamedResult(**dict(result), index=place).model_dump_json() + "\n"
    summary = models.StreamSummary(
        preset=batch.preset.name,
        preset_hash=batch.preset.hash,
        version=__version__,
        groups=groups.summarise(results[place] for place in sorted(results)),
    )
    yield summary.model_dump_json() + "\n"


@v1_router.post(
    "/verify", tags=["parts"], openapi_extra=json_body(models.VerifyRequest), response_model=models.VerifyResponse
)
async def verify(request: Request, service: TheService) -> Response:
    """Compare one math answer with its reference: the content of a box, or a text with a box in it."""
    body = await _read(request, service, models.VerifyRequest)
    preset = _preset(body.preset, body.overrides, service)
    extracted = await asyncio.to_thread(_boxed_or_whole, body.answer)
    work = service.verifier.verify(answer=extracted, references=body.references, settings=preset.math)
    try:
        found = await _admitted(request, service, work)
    except BadReferenceError as error:
        raise invalid([FieldError(loc="reference", message=str(error))]) from None
    except MathUnavailableError as error:
        raise unavailable(str(error), retry_after_seconds=RETRY_AFTER_SECONDS) from None
    return _json(
        models.VerifyResponse(
            verdict=found.verdict,
            method=found.method,
            reason=found.reason,
            extracted=extracted,
            normalised=dict(found.normalised),
        )
    )


@v1_router.post(
    "/judge", tags=["parts"], openapi_extra=json_body(models.JudgeRequest), response_model=models.JudgeResponse
)
async def judge(request: Request, service: TheService) -> Response:
    """Judge one program against all its tests, with a row for each."""
    body = await _read(request, service, models.JudgeRequest)
    job = _judge_job(body)
    judged = await _sandboxed(_admitted(request, service, service.judge.judge(job)))
    return _json(
        models.JudgeResponse(
            verdict=judged.verdict,
            passed=judged.passed,
            total=judged.total,
            compile_output=judged.compile_output,
            tests=[
                models.TestRow(
                    index=test.index,
                    verdict=test.verdict,
                    cpu_seconds=test.cpu_seconds,
                    wall_seconds=test.wall_seconds,
                    memory_mb=test.memory_mb,
                    stderr=test.stderr,
                    message=test.message,
                    in_process=test.in_process,
                )
                for test in judged.tests
            ],
        )
    )


@v1_router.post(
    "/execute", tags=["parts"], openapi_extra=json_body(models.ExecuteRequest), response_model=models.ExecuteResponse
)
async def execute(request: Request, service: TheService) -> Response:
    """Run one program once, without judging it."""
    body = await _read(request, service, models.ExecuteRequest)
    _known_language(body.language)
    job = ExecuteJob(
        code=body.code, language=body.language, stdin=body.stdin.encode(), limits=sandbox_limits(body.limits)
    )
    ran = await _sandboxed(_admitted(request, service, service.judge.execute(job)))
    return _json(
        models.ExecuteResponse(
            verdict=ran.verdict,
            stdout=ran.stdout.decode(errors="replace"),
            stderr=ran.stderr.decode(errors="replace"),
            exit_code=ran.exit_code,
            signal=ran.signal,
            cpu_seconds=ran.cpu_seconds,
            wall_seconds=ran.wall_seconds,
            memory_mb=ran.memory_mb,
            compile_output=ran.compile_output,
            message=ran.message,
        )
    )


@v1_router.post(
    "/language", tags=["parts"], openapi_extra=json_body(models.LanguageRequest), response_model=models.LanguageResponse
)
async def language(request: Request, service: TheService) -> Response:
    """Tell the language of each text, after removal of LaTeX and code."""
    body = await _read(request, service, models.LanguageRequest)
    work = asyncio.to_thread(lambda: [_detected(text, service) for text in body.texts])
    return _json(models.LanguageResponse(results=await _admitted(request, service, work)))


@v1_lookups.get("/presets", tags=["presets"])
async def presets(service: TheService) -> JSONResponse:
    """Every preset with its hash, and the schema that overrides are checked against."""
    return JSONResponse(
        {"presets": [_preset_document(preset) for preset in service.presets], "schema": Preset.model_json_schema()}
    )


@v1_lookups.get("/presets/{name}", tags=["presets"])
async def preset_by_name(name: str, service: TheService) -> JSONResponse:
    """One preset with its hash and schema."""
    try:
        preset = service.presets.get(name)
    except UnknownPresetError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, str(error)) from None
    return JSONResponse(_preset_document(preset) | {"schema": Preset.model_json_schema()})


# ---- what the routes share -----------------------------------------------------------------------------------------


async def _read(request: Request, service: Service, model: type[models.RequestModel]) -> models.RequestModel:
    body = await decode_by_itself(await _body(request, service), model)
    _tell_the_sandbox(service, urgent=True)
    return body


async def _batch(request: Request, service: Service) -> Batch:
    body = await decode_batch(await _body(request, service), service.decoding)
    _tell_the_sandbox(service, urgent=len(body.rollouts) <= _SMALL_BATCH)
    return Batch(
        preset=_preset(body.preset, body.overrides, service),
        seed="" if body.seed is None else str(body.seed),
        rollouts=body.rollouts,
    )


def _tell_the_sandbox(service: Service, *, urgent: bool) -> None:
    """When this request must be answered, and whether it is small enough to pass the large ones."""
    request_expires.set(time.time() + service.deadline.seconds)
    request_urgent.set(urgent)


async def _body(request: Request, service: Service) -> bytes:
    settings = service.settings
    body = await read_body(request, max_bytes=settings.max_body_bytes, seconds=settings.read_seconds)
    if not service.started:
        raise unavailable("the server is still starting", retry_after_seconds=RETRY_AFTER_SECONDS)
    if service.deadline.ending:
        raise unavailable("the server is ending", retry_after_seconds=RETRY_AFTER_SECONDS)
    return body


def _preset(name: str | None, overrides: dict[str, JsonValue], service: Service) -> Preset:
    try:
        preset = service.default_preset if name is None else service.presets.get(name)
        return preset.overridden(overrides)
    except UnknownPresetError as error:
        raise invalid([FieldError(loc="preset", message=str(error))]) from None
    except ValidationError as error:
        raise invalid(models.field_errors(error, prefix="overrides.")) from None


def _judge_job(body: models.JudgeRequest) -> JudgeJob:
    _known_language(body.language)
    try:
        tests = sandbox_tests(body)
    except BadJobError as error:
        raise invalid([FieldError(loc="input_output", message=str(error))]) from None
    return JudgeJob(
        code=body.code,
        language=body.language,
        tests=tests,
        fn_name=fn_name(body),
        limits=sandbox_limits(body.limits),
        checker=sandbox_checker(body),
        stop_at_first_failure=body.stop_at_first_failure,
        objects_in_process=body.objects_in_process,
    )


def _known_language(name: str) -> None:
    if find(name) is None:
        raise invalid([FieldError(loc="language", message=f"no language is called {name!r} here")])


def _boxed_or_whole(answer: str) -> str | None:
    return last_boxed(answer) if "\\boxed" in answer else answer


def _detected(text: str, service: Service) -> models.DetectedLanguage:
    words = prose(text)
    if not words.strip():
        return models.DetectedLanguage(label=None, probability=0.0)
    found = service.detector.detect(words)
    return models.DetectedLanguage(label=found.label, probability=found.probability)


def _preset_document(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "hash": preset.hash, "preset": preset.model_dump(mode="json")}


async def _sandboxed(work: Coroutine[Any, Any, Value]) -> Value:
    """Give the failures of the sandbox their status: what is not judged is never a 200."""
    try:
        return await work
    except BadJobError as error:
        raise invalid([FieldError(loc="tests", message=str(error))]) from None
    except (SandboxUnavailableError, JobFailedError, QueueFullError) as error:
        raise unavailable(str(error), retry_after_seconds=RETRY_AFTER_SECONDS) from None


async def _admitted(request: Request, service: Service, work: Coroutine[Any, Any, Value]) -> Value:
    """Await `work` in one place of those that the server has, and no longer than a request may take."""
    try:
        with service.admission.admit(1):
            async with service.deadline.until(service.deadline.starting_now()):
                return await _while_connected(request, work)
    except TimeoutError:
        raise unavailable("not done in time", retry_after_seconds=RETRY_AFTER_SECONDS) from None
    finally:
        work.close()  # where it was never begun


async def _while_connected(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """Await `work`, and end it when the client goes away: nobody waits for its result."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise gone()
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(body: BaseModel) -> Response:
    return Response(body.model_dump_json(), media_type="application/json")
