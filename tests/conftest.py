"""One real server for the whole run: real sockets, real pools, a real sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from reward_server.app import create_app
from reward_server.scoring_run import embedded_server
from reward_server.settings import Settings


@pytest.fixture(scope="session")
def server() -> Iterator[httpx.Client]:
    """A client of a server that is ready."""
    with embedded_server(create_app(Settings(max_body_bytes=8 * 1024 * 1024))) as running:
        yield running.client
