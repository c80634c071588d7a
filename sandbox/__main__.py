"""`python -m sandbox check | prepare | agent`.

`check` says whether this host is fit to run untrusted programs: exit code 0 when it is, 1 when it is not. `prepare`
compiles the C++ header into the cache directory: 0 when it is there, 1 when it cannot be made. `agent` is what runs in
a container of the Docker backend: it is spoken to over standard input and output, and by no person.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox import agent, toolchain
from sandbox.host import Isolation, probe_host
from sandbox.local import default_cache_dir
from sandbox.models import SandboxUnavailableError


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=("check", "prepare", "agent"))
    parser.add_argument("--cache-dir", type=Path, default=default_cache_dir())
    parser.add_argument("--isolation", choices=("auto", "bubblewrap", "landlock"), default="auto")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--accept-lost", default="", metavar="NAME,NAME")
    options = parser.parse_args(arguments)
    if options.command == "prepare":
        return _prepare(options.cache_dir)
    accepted = tuple(filter(None, options.accept_lost.split(",")))
    isolation = Isolation(options.isolation, options.scratch, accepted)
    if options.command == "agent":
        return agent.main(options.cache_dir, isolation)
    return _check(options.cache_dir, isolation)


def _check(cache_dir: Path, isolation: Isolation) -> int:
    report = probe_host(cache_dir, isolation)
    lines = [f"{'fit' if report.fit else 'NOT fit'} to run untrusted programs (tier: {report.tier})"]
    lines += [f"  {sentence}" for sentence in report.missing]
    lines += [f"  {name}: {value}" for name, value in report.facts.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if report.fit else 1


def _prepare(cache_dir: Path) -> int:
    try:
        sys.stdout.write(f"precompiled header in {toolchain.prepare(cache_dir)}\n")
    except SandboxUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
