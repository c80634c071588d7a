"""Builds the application: its lifespan opens and closes everything, and every response can be traced by its id."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reward_server import __version__, docs, errors, routes
from reward_server.metrics import Metrics
from reward_server.service import Service
from reward_server.settings import Settings, load_settings
from sandbox.dispatch import request_key

REQUEST_ID = "X-Request-Id"
log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application; without `settings` they are read from the environment."""
    service = Service(settings if settings is not None else load_settings())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.close()

    app = FastAPI(
        title="Reward server",
        version=__version__,
        summary="Turns rollouts of a reasoning model into rewards.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.service = service
    # Not by `include_router`, which looks for each route through a context of its own, several times a request.
    for router in (routes.v1_router, routes.v1_lookups, routes.open_router):
        app.router.routes += router.routes
    errors.install(app)
    docs.install(app)
    app.add_middleware(Tracing, metrics=service.metrics)
    return app


class Tracing:
    """Gives every response the id of its request, the client's own where it sent a sane one, and counts it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get(REQUEST_ID))
        request_key.set(uuid.uuid4().hex)  # the sandbox gives its slots to requests in turns
        started = time.monotonic()
        status = 0

        async def traced_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, traced_send)
        except Exception:
            # A fault that nobody foresaw. It ends here, because whoever is further out knows no request id.
            log.exception("request failed", extra={"request": request_id})
            if status == 0:
                await errors.unforeseen()(scope, receive, traced_send)
        finally:
            route = scope.get("route")
            path = route.path if route is not None else "unknown"
            self._metrics.request(path, status, time.monotonic() - started)


def _request_id(sent: str | None) -> str:
    return sent if sent and re.fullmatch(r"[\w.:-]{1,128}", sent, re.ASCII) else uuid.uuid4().hex
