"""Who may import whom. The arrows of the house point one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"reward_server", "sandbox", "language_id", "reward_client"}

# Each part with the parts it may import; itself always.
LAYERS = {
    "language_id": set(),
    "sandbox": set(),
    "reward_client": set(),
    "reward_server.models": {"sandbox.models"},
    "reward_server.completion": {"reward_server.models"},
    "reward_server.fences": set(),
    "reward_server.deadline": set(),
    "reward_server.turns": set(),
    "reward_server.garbage": set(),
    "reward_server.decoding": {"reward_server.errors", "reward_server.models", "reward_server.turns"},
    "reward_server.groups": {"reward_server.models"},
    "reward_server.workers": set(),
    "reward_server.math": {"reward_server.workers"},
    "reward_server.presets": {"reward_server.math.models", "language_id.consistency"},
    "reward_server.rewards": {
        "reward_server.completion",
        "reward_server.fences",
        "reward_server.math",
        "reward_server.models",
        "reward_server.presets",
        "sandbox.models",
        "sandbox.languages",
    },
    "reward_server.scorer": {
        "language_id",
        "reward_server.completion",
        "reward_server.deadline",
        "reward_server.math",
        "reward_server.models",
        "reward_server.presets",
        "reward_server.rewards",
        "reward_server.turns",
        "sandbox.models",
    },
    "reward_server.samples": set(),
}


def modules():
    for base in (ROOT, ROOT / "clients/python/src"):
        for package in OURS:
            for path in sorted((base / package).rglob("*.py")):
                parts = path.relative_to(base).with_suffix("").parts
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(name: str, path: Path) -> set[str]:
    """The modules of ours that `path` imports, wherever in it."""
    found = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], base]).rstrip(".")
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {module for module in found if module.split(".")[0] in OURS}


def within(module: str, parts: set[str]) -> bool:
    return any(module == part or module.startswith(part + ".") for part in parts)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_part_imports_only_what_stands_below_it(layer):
    """So that a request walks one way through the house."""
    for name, path in modules():
        if within(name, {layer}):
            above = {module for module in imports(name, path) if not within(module, LAYERS[layer] | {layer})}
            # `from reward_server import x` names a package that everything stands in.
            assert not above - {"reward_server.__version__"}, f"{name} imports {above}"


def test_nothing_imports_the_client():
    """A trainer installs it alone."""
    for name, path in modules():
        if not name.startswith("reward_client"):
            assert not {module for module in imports(name, path) if module.startswith("reward_client")}


def test_settings_are_read_by_the_edge_alone():
    """Everything else is handed what it needs."""
    readers = {name for name, path in modules() if within_any(imports(name, path), {"reward_server.settings"})}
    edge = {"app", "cli", "service", "scoring_run"}
    assert readers <= {f"reward_server.{name}" for name in edge} | {"reward_server.settings"}


def within_any(found: set[str], parts: set[str]) -> bool:
    return any(within(module, parts) for module in found)


def test_importing_the_server_does_nothing():
    """No file is opened, no process started, and SymPy stays out of the process that serves."""
    code = "import sys, reward_server.app; print(sorted({'sympy', 'math_verify', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
