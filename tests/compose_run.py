"""`make test-compose`: the whole composition for real, without a registry, and the samples scored through it.

A dockerd of its own (or the one that answers), images of this checkout, Debian's Redis; Prometheus where its image
could be made. Two workers, one of them killed in the middle of the second run. Ends with 0 when every sample got the
reward that is expected, both times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests import dockerd

ROOT = Path(__file__).parents[1]
PORT = 18_000
_READY_SECONDS = 120.0


def main() -> int:
    """Bring it up, score, take it down."""
    with dockerd.running(bridge=True) as address:
        dockerd.build(address, "worker", "server", "redis")
        environment = {
            **os.environ,
            "DOCKER_HOST": address,
            "COMPOSE_PROJECT_NAME": "rewardtest",
            "REDIS_IMAGE": "reward-redis:local",
            "REDIS_PASSWORD": "secret-of-this-run",
            "REWARD_API_TOKENS": "",
            "PUBLISHED": f"127.0.0.1:{PORT}",
        }
        try:
            _compose(environment, "up", "--detach")
            _until_ready()
            _score()
            with dockerd.opened(address) as client:
                worker = client.containers(filters={"label": "com.docker.compose.service=worker"})[0]
                client.kill(worker["Id"])
            _score()
        except BaseException:
            _compose(environment, "logs", "--tail", "40")
            raise
        finally:
            _compose(environment, "down", "--volumes", "--timeout", "5")
    return 0


def _compose(environment: dict[str, str], *arguments: str) -> None:
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    command = ["docker", "compose"] if plugin or not shutil.which("docker-compose") else ["docker-compose"]
    subprocess.run([*command, "--file", str(ROOT / "deploy/compose.yaml"), *arguments], env=environment, check=True)


def _until_ready() -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=5) as answer:
                sys.stdout.write(f"ready: {answer.read().decode()}\n")
                return
        except (urllib.error.URLError, ConnectionError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready: {error}") from error
            time.sleep(0.5)


def _score() -> None:
    started = time.monotonic()
    command = [sys.executable, "-m", "reward_server", "score", "--samples", "--url", f"http://127.0.0.1:{PORT}"]
    subprocess.run(command, check=True)
    sys.stdout.write(f"scored in {time.monotonic() - started:.1f} s\n")


if __name__ == "__main__":
    sys.exit(main())
