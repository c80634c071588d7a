"""The languages, as a table: how a program is compiled, how it is run, what it may be called.

A new language is a new row: the name of its source file, the commands, and which root directory of the jail they need.
A command is looked up where the slots are (`Tools`); where it is missing, the language is not offered.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from sandbox import jail

# Contest programs ask for ONLINE_JUDGE before they read from files of their author's.
CXX_FLAGS: Final = ("-std=c++20", "-O2", "-pthread", "-DONLINE_JUDGE")
_QUIET: Final = ("-fno-diagnostics-show-caret", "-fdiagnostics-color=never", "-w")


# In a command: the options that link fast what starts fast, where a program may be linked so; else nothing.
LINKED_FAST: Final = "{fast}"


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """One row. `product` is the file that compiling leaves in /tmp; `run` starts it there.

    `image` says that the product is itself the program and is started from a sealed copy in memory.
    """

    name: str
    source: str
    aliases: tuple[str, ...] = ()
    tool: str | None = None  # what must be on the host
    compile: tuple[str, ...] = ()
    product: str | None = None
    run: tuple[str, ...] = ()
    image: bool = False
    root: str = jail.NATIVE_ROOT
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    least_processes: int = 0  # the run-time's own threads
    warm: Literal["python"] | None = None  # runs in a fork of the warm interpreter


_BESIDE_THE_HEAP_MB: Final = 96  # of what a Java machine holds
_TOOL_ENVIRONMENT: Final = MappingProxyType({"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": "/tmp"})  # noqa: S108

LANGUAGES: Final = (
    Language(name="python", source="main.py", aliases=("py", "python3", "py3", "pypy", "pypy3"), warm="python"),
    Language(
        name="cpp",
        source="main.cpp",
        aliases=("c++", "cxx", "cc", "cpp20", "c++20", "cpp17", "c++17", "g++", "gnu++", "gnuc++"),
        tool="g++",
        compile=("{tool}", *CXX_FLAGS, "-I/precompiled", *_QUIET, "-pipe", LINKED_FAST, "-o", "program", "main.cpp"),
        product="program",
        run=("program",),
        image=True,
    ),
    Language(
        name="c",
        source="main.c",
        aliases=("c11", "c17", "gcc", "gnuc"),
        tool="gcc",
        compile=(
            "{tool}",
            "-std=gnu17",
            "-O2",
            "-pthread",
            "-DONLINE_JUDGE",
            *_QUIET,
            "-pipe",
            "-o",
            "program",
            "main.c",
            "-lm",
        ),
        product="program",
        run=("program",),
        image=True,
    ),
    Language(
        name="javascript",
        source="main.js",
        aliases=("js", "node", "nodejs"),
        tool="node",
        run=("{tool}", "main.js"),
        root=jail.TOOLCHAIN_ROOT,
        environment=_TOOL_ENVIRONMENT,
        least_processes=32,
    ),
    Language(
        name="java",
        source="Main.java",
        aliases=("java17", "java21"),
        tool="javac",
        # The program is the class Main, as everywhere.
        compile=("/bin/sh", "-c", "{tool} -encoding UTF-8 -nowarn Main.java && jar cfe program.jar Main *.class"),
        product="program.jar",
        run=(
            "/usr/bin/java",
            "-Xss64m",
            "{heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-jar",
            "program.jar",
        ),
        root=jail.TOOLCHAIN_ROOT,
        environment=_TOOL_ENVIRONMENT,
        least_processes=64,
    ),
    Language(
        name="rust",
        source="main.rs",
        aliases=("rs",),
        tool="rustc",
        compile=("{tool}", "--edition=2021", "-Copt-level=2", "-Awarnings", "-o", "program", "main.rs"),
        product="program",
        run=("program",),
        image=True,
    ),
    Language(
        name="go",
        source="main.go",
        aliases=("golang",),
        tool="go",
        compile=("{tool}", "build", "-o", "program", "main.go"),
        product="program",
        run=("program",),
        image=True,
        least_processes=32,
    ),
)

# A number with its parts, or the year of a C or C++ standard that was still to come: 17, 3.11, 2a.
_VERSION: Final = r"(\d+(\.\d+)*|\d[a-z])$"
_BY_NAME: Final = {name: language for language in LANGUAGES for name in (language.name, *language.aliases)}


def find(name: str) -> Language | None:
    """The language called `name`, by its name or an alias, whatever the case, the blanks and the version.

    A remark in parentheses, as contest sites write it behind the compiler's name, says nothing about the language.
    """
    bare = re.sub(r"\([^()]*\)\s*$", "", name)
    compact = re.sub(r"[\s_-]+", "", bare).lower()
    return _BY_NAME.get(compact) or _BY_NAME.get(re.sub(_VERSION, "", compact))


def by_name(name: str) -> Language:
    """The language that must be in the table."""
    return _BY_NAME[name]


@dataclass(frozen=True, slots=True)
class Tools:
    """What compiles and runs programs where the slots are, which need not be this machine; by name of the language."""

    paths: Mapping[str, str]
    versions: Mapping[str, str]  # what identifies a tool
    linker: str = ""  # the option that chooses it
    static: tuple[str, ...] = ()  # the options that link statically, where that takes hardly longer
    library_names: frozenset[str] = frozenset()  # by which the C and C++ libraries ask each other for something

    def offers(self, language: Language) -> bool:
        """Whether programs in this language can be judged there."""
        return language.tool is None or language.name in self.paths

    def filled(
        self, command: tuple[str, ...], language: Language, *, memory_mb: int = 0, fast: bool = False
    ) -> list[str]:
        """A command with the tool, the linker and the heap put in."""
        values = {
            "{tool}": self.paths.get(language.name, ""),
            "{heap}": f"-Xmx{max(16, memory_mb - _BESIDE_THE_HEAP_MB)}m",
        }
        if LINKED_FAST in command:
            at = command.index(LINKED_FAST)
            linking = (self.static or tuple(filter(None, [self.linker]))) if fast else ()
            command = (*command[:at], *linking, *command[at + 1 :])
        for name, value in values.items():
            command = tuple(word.replace(name, value) for word in command)
        return list(command)

    def version(self, language: Language) -> str:
        """What identifies the compiler and its flags."""
        return self.versions.get(language.name, "") + repr(self.filled(language.compile, language, fast=True))


@functools.cache
def host_tools() -> Tools:
    """The tools of this machine. Asks each for its version, so it blocks for a moment."""
    paths = {language.name: path for language in LANGUAGES if (path := tool_path(language)) is not None}
    versions = {name: tool_version(by_name(name)) for name in paths}
    return Tools(paths, versions, linker_option(), static_options(), library_names())


@functools.cache
def tool_path(language: Language) -> str | None:
    """Where the host has the language's tool; None where it has not, or outside of what the jail shows."""
    if language.tool is None:
        return None
    found = shutil.which(language.tool, path="/usr/bin:/bin")
    return os.path.realpath(found) if found is not None else None


@functools.cache
def linker_option() -> str:
    """The fastest linker that the host has and its compiler knows."""
    for name, program in (("mold", "ld.mold"), ("lld", "ld.lld")):
        if shutil.which(program, path="/usr/bin"):
            return f"-fuse-ld={name}"
    return ""


@functools.cache
def static_options() -> tuple[str, ...]:
    """What links a program statically, where that takes hardly longer: with a fast linker, and the libraries for it.

    Threads of static programs fail with C libraries before 2.34. Links a program, so it blocks for a moment.
    """
    compiler, version = shutil.which("g++", path="/usr/bin:/bin"), re.fullmatch(r"glibc (\d+)\.(\d+)", _c_library())
    if compiler is None or not linker_option() or version is None or tuple(map(int, version.groups())) < (2, 34):
        return ()
    # Not `-static`: threads that throw would wait for each other in the unwinder.
    options = ("-static-pie", "-s", linker_option(), "-Wl,--build-id=none", "-Wl,--gc-sections")
    with tempfile.TemporaryDirectory() as scratch:
        command = [compiler, "-pthread", *options, "-x", "c++", "-o", f"{scratch}/program", "-"]
        done = subprocess.run(command, input=b"int main() {}", capture_output=True, check=False)
    return options if done.returncode == 0 else ()


def _c_library() -> str:
    with contextlib.suppress(ValueError, OSError):
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    return ""


@functools.cache
def library_names() -> frozenset[str]:
    """The names by which the C and C++ libraries ask each other for something, and which programs may have, too.

    Without those of the standard streams, which are macros where they are declared, and which most programs mention.
    """
    compiler, reader = (shutil.which(name, path="/usr/bin:/bin") for name in ("g++", "readelf"))
    if compiler is None or reader is None:
        return frozenset()

    def said(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C"}).stdout

    libraries = ("libstdc++.a", "libgcc.a", "libgcc_eh.a", "libm.a", "libc.a")
    paths = [path for name in libraries if os.path.isabs(path := said(compiler, f"-print-file-name={name}").strip())]
    symbols = (line.split() for line in said(reader, "-sW", *paths).splitlines())
    wanted = {words[7].partition("@")[0] for words in symbols if len(words) > 7 and words[6] == "UND"}
    return frozenset(name for name in wanted if not name.startswith("_")) - {"stdin", "stdout", "stderr"}


def tool_version(language: Language) -> str:
    """What identifies the tool."""
    path = tool_path(language)
    if path is None:
        return ""
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    status = os.stat(path)
    return f"{asked.stdout}{path}{status.st_size}{status.st_mtime_ns}{_c_library()}"
