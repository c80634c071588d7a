"""Builds the library that the sandbox brings into its jails; `pip install` and `pip wheel` call this."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared")


class NativeLibraryHook(BuildHookInterface):
    """Compiles the C files of `sandbox/inside` into a library beside them, and puts that into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is built, an editable one too."""
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise RuntimeError("a C compiler is needed: install the package gcc, or set CC")
        directory = Path(self.root, "sandbox", "inside")
        sources = map(str, sorted(directory.glob("*.c")))
        made = directory / "_native.so"
        # Replaced, not written: a running server has it open.
        scratch = made.with_suffix(f".{os.getpid()}")
        subprocess.run([*compiler.split(), *_FLAGS, "-o", str(scratch), *sources], check=True)
        scratch.replace(made)
        build_data["artifacts"].append("sandbox/inside/_native.so")
        build_data["pure_python"] = False
        # It calls nothing of the interpreter, so one wheel serves every version of it.
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
