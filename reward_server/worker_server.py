"""A worker as a process: the worker, its health and metrics on a port of their own, and SIGTERM.

On SIGTERM or SIGINT the worker claims nothing more and ends or gives back what it holds; the port answers until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reward_server import __version__
from reward_server.sandbox_metrics import WorkerMetrics
from sandbox.local import LocalJudge
from sandbox.worker import Worker, WorkerSettings

log = logging.getLogger(__name__)


async def run(judge: LocalJudge, settings: WorkerSettings, listening: socket.socket, metrics: WorkerMetrics) -> None:
    """Work on `judge`, which is started, until a signal says that it is enough.

    Raises:
        SandboxUnavailableError: Redis is too old.
    """
    worker = Worker(judge, settings, metrics)
    metrics.watch(worker)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    server = _Server(uvicorn.Config(application(worker, metrics), log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    host, port = listening.getsockname()[:2]
    log.info("worker started", extra={"worker": worker.name, "slots": worker.slots, "metrics": f"{host}:{port}"})
    try:
        await worker.run()
    finally:
        server.should_exit = True
        await serving
    log.info("worker ended", extra={"worker": worker.name})


def application(worker: Worker, metrics: WorkerMetrics) -> Starlette:
    """What a worker serves."""

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        health = worker.health()
        body = {"ready": health.ready, "parts": {"worker": health.detail}, "busy": worker.busy, "slots": worker.slots}
        return JSONResponse(body, 200 if health.ready else 503)

    async def shown(_: Request) -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", shown)])


class _Server(uvicorn.Server):
    """Leaves signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
