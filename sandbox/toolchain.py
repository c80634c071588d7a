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
    in_linking: bool = False  # everything was compiled, and did not fit together


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


# What is no code, each to its end or that of the text.
_NO_CODE: Final = re.compile(
    rb"""//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n]|\\\Z)*+"?|'(?:\\.|[^'\\\n]){1,4}'""", re.DOTALL
)
# What is no function: words that no parenthesis follows, and those of which a number makes a variable.
_NAMES: Final = re.compile(rb"\b([A-Za-z_]\w*+)(?!\s*\()|(?<=\w\s)([A-Za-z_]\w*+)\s*\(\s*[-+.\d]")
_LINKED_FAST_BYTES: Final = 64 * 1024


def links_fast(source: bytes, language: Language, tools: Tools) -> bool:
    """Whether a program is linked as fast as can be, and the same program comes out.

    Only where it has no name for its own by which the libraries ask each other for something: a static one, and what
    some linkers make of a dynamic one, would be asked for it. The compiler's own linker hides such names. Functions are
    told apart by the types of their arguments, unless they are declared to be C's or named in assembler.
    """
    if languages.LINKED_FAST not in language.compile or len(source) > _LINKED_FAST_BYTES or not tools.library_names:
        return False
    if re.search(rb'extern\s*"C"|\b(?:__)?asm', source):
        return False
    named = _NAMES.finditer(_NO_CODE.sub(b" ", source))
    return tools.library_names.isdisjoint((found[1] or found[2]).decode() for found in named)


def compile_program(source: bytes, language: Language, tools: Tools, *, fast: bool) -> Program:
    """What compiles `source`."""
    return Program(
        argv=tuple(tools.filled(language.compile, language, fast=fast)),
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
    return CompileFailure(limit + _ABSOLUTE_PATH.sub("", said), limited, b"collect2:" in outcome.stderr)


def _version(package: str) -> str | None:
    """The version of a distribution; None of what is part of another one, as libraries and helpers are."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


async def identity(language: Language) -> str:
    """What decides how a program in this language runs here: its interpreter or its compiler."""
    if language.warm is None:
        return (await asyncio.to_thread(languages.host_tools)).version(language)
    packages = [Path(path).name for path in jail.find_interpreter().packages]
    versions = [f"{name} {version}" for name in packages if (version := _version(name)) is not None]
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
