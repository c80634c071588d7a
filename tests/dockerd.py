"""A dockerd for the tests that need one, and the image that its containers are made of.

Where one answers already it is used, and left as it was found. Otherwise one is started in a directory of its own,
without a network, and ended with the tests. The image is built by `deploy/build-images.sh`, as an operator without a
registry would; root file systems and wheels are kept in `.cache`, which another run finds.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from sandbox import engine

ROOT = Path(__file__).parents[1]
_START_SECONDS = 60.0


@contextlib.contextmanager
def running(*, bridge: bool = False) -> Iterator[str]:
    """The address of a dockerd; `bridge` for one whose containers may talk to each other."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(address):
        yield address
        return
    place = Path(tempfile.mkdtemp(prefix="dockerd-"))
    try:
        with (place / "log").open("wb") as log:
            command = [
                *("dockerd", "--host", f"unix://{place}/docker.sock", "--pidfile", str(place / "pid")),
                *("--data-root", str(place / "data"), "--exec-root", str(place / "exec")),
                *("--iptables=false", *([] if bridge else ["--bridge=none"])),
            ]
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait(f"unix://{place}/docker.sock", process, place / "log")
            yield f"unix://{place}/docker.sock"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(address):
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        engine.reach(address)
        with contextlib.closing(client(address)) as answering:
            return bool(answering.ping())
    except (OSError, docker.errors.DockerException):
        return False


def client(address: str) -> Any:
    """A client of the SDK's."""
    return docker.APIClient(base_url=address, version="auto", timeout=60)


@contextlib.contextmanager
def opened(address: str) -> Iterator[Any]:
    """A client, closed at the end."""
    with contextlib.closing(client(address)) as one:
        yield one


def build(address: str, *images: str) -> None:
    """Build images of this checkout."""
    environment = {**os.environ, "DOCKER_HOST": address, "PYTHON": sys.executable}
    command = [str(ROOT / "deploy/build-images.sh"), *images]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
