"""Compiling inside the jail, and the header that is compiled ahead of everybody.

`prepare` compiles `bits/stdc++.h` for the very flags that programs are compiled with; the compiler takes it by itself
for programs that include that header, and reads nothing of it for those that do not. What the compiler says about a
program is passed on without the places it looked in.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from sandbox import jail, languages
from sandbox.languages import CXX_FLAGS, Language, Tools
from sandbox.models import Limits, SandboxUnavailableError, Verdict
from sandbox.runs import Outcome, Program

_MIB: Final = 1024 * 1024
_SHOWN_BYTES: Final = 4000
_ABSOLUTE_PATH: Final = re.compile(r"(?<![\w./+-])/(?:[\w.+-]+/)*(?=[\w.+-]+)")
_ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108 - the jail's
    "HOME": "/tmp",  # noqa: S108
    "GO111MODULE": "off",
}


_SHIPPED: Final = Path("/usr/local/share/reward-server")  # where an image has what was prepared when it was built


@dataclass(frozen=True, slots=True)
class CompileFailure:
    """The compiler refused the program, or ran into its own limits; `output` says which."""

    output: str
    limited: bool = False


def compile_limits(cpu_seconds: float) -> Limits:
    """What a compilation may use."""
    return Limits(
        cpu_seconds=cpu_seconds,
        wall_seconds=6 * cpu_seconds,
        memory_mb=1024,
        output_bytes=64 * _MIB,
        processes=64,
        disk_mb=256,
    )


def compile_program(source: bytes, language: Language, tools: Tools) -> Program:
    """What compiles `source`."""
    return Program(
        argv=tuple(tools.filled(language.compile, language)),
        environment=_ENVIRONMENT,
        copies={language.source: source},
        product=f"/tmp/{language.product}",  # noqa: S108
    )


def compiled(outcome: Outcome) -> bytes | CompileFailure:
    """The program that came out, or why none did."""
    if outcome.verdict is Verdict.ACCEPTED and outcome.product is not None:
        return outcome.product
    said = outcome.stderr[:_SHOWN_BYTES].decode("utf-8", "replace")
    limited = outcome.verdict is not Verdict.RUNTIME_ERROR
    limit = f"the compiler {outcome.message}\n" if limited else ""
    return CompileFailure(limit + _ABSOLUTE_PATH.sub("", said), limited)


async def identity(language: Language) -> str:
    """What decides how a program in this language runs here: its interpreter or its compiler."""
    if language.warm is None:
        return (await asyncio.to_thread(languages.host_tools)).version(language)
    packages = [Path(path).name for path in jail.find_interpreter().packages]
    versions = [f"{name} {metadata.version(name)}" for name in packages if not name.endswith(".libs")]
    return " ".join((platform.python_implementation(), sys.version, *versions))


def precompiled_directory(cache_dir: Path) -> Path | None:
    """Where the precompiled header for this compiler is, if it was made, or came with the image."""
    for place in (cache_dir, _SHIPPED):
        directory = _header_directory(place)
        if directory is not None and os.access(directory / "bits" / "stdc++.h.gch", os.R_OK):
            return directory
    return None


def prepare(cache_dir: Path) -> Path:
    """Compile the header, unless it is there. Raises SandboxUnavailableError where there is no C++ compiler."""
    directory = _header_directory(cache_dir)
    compiler = languages.tool_path(languages.by_name("cpp"))
    if directory is None or compiler is None:
        raise SandboxUnavailableError("g++ is missing: install the package g++")
    target = directory / "bits" / "stdc++.h.gch"
    if target.exists():
        return directory
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        header = Path(scratch, "header.h")
        header.write_text("#include <bits/stdc++.h>\n")
        made = target.with_suffix(f".{os.getpid()}")
        command = [compiler, *CXX_FLAGS, "-x", "c++-header", "-o", str(made), str(header)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxUnavailableError(f"g++ cannot compile bits/stdc++.h: {done.stderr.strip()[-500:]}")
    made.chmod(0o644)
    made.replace(target)
    return directory


def _header_directory(cache_dir: Path) -> Path | None:
    identity = languages.tool_version(languages.by_name("cpp"))
    if not identity:
        return None
    digest = hashlib.sha256((identity + " ".join(CXX_FLAGS)).encode()).hexdigest()[:16]
    return cache_dir / "precompiled" / digest
