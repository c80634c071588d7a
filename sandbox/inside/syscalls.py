"""The seccomp filters: which system calls end a program, and which merely fail.

A call that no honest program makes kills (`SIGSYS`), so that the verdict can say so. A call that honest run-times try
and can do without fails with an error they expect. Everything else is allowed: namespaces, capabilities and the
read-only root confine it. Calls that this table does not know, because they are newer, do not exist for the program
(ENOSYS).

Two filters add up: `submission_filter` is installed once, `program_filter` for every run, because the init of a
submission must mount a fresh /tmp between runs.
"""

from __future__ import annotations

import errno
import platform
import struct
from typing import Final, NamedTuple

_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_EPERM: Final = 0x0005_0000 | errno.EPERM
_EACCES: Final = 0x0005_0000 | errno.EACCES
_ENOSYS: Final = 0x0005_0000 | errno.ENOSYS

_NEW_NAMESPACES: Final = 0x7E02_0000
_CLONE_THREAD: Final = 0x0001_0000
_AF_UNIX: Final = 1


class _Number(NamedTuple):
    """The number of a system call; None where the architecture has none."""

    x86_64: int | None
    aarch64: int | None


_KILLED: Final = {
    "acct": _Number(163, 89),
    "add_key": _Number(248, 217),
    "bpf": _Number(321, 280),
    "chroot": _Number(161, 51),
    "clock_adjtime": _Number(305, 266),
    "clock_settime": _Number(227, 112),
    "delete_module": _Number(176, 106),
    "fanotify_init": _Number(300, 262),
    "finit_module": _Number(313, 273),
    "fsconfig": _Number(431, 431),
    "fsmount": _Number(432, 432),
    "fsopen": _Number(430, 430),
    "fspick": _Number(433, 433),
    "init_module": _Number(175, 105),
    "ioperm": _Number(173, None),
    "iopl": _Number(172, None),
    "kcmp": _Number(312, 272),
    "kexec_file_load": _Number(320, 294),
    "kexec_load": _Number(246, 104),
    "keyctl": _Number(250, 219),
    "mount_setattr": _Number(442, 442),
    "move_mount": _Number(429, 429),
    "open_by_handle_at": _Number(304, 265),
    "open_tree": _Number(428, 428),
    "perf_event_open": _Number(298, 241),
    "pidfd_getfd": _Number(438, 438),
    "pivot_root": _Number(155, 41),
    "process_vm_readv": _Number(310, 270),
    "process_vm_writev": _Number(311, 271),
    "ptrace": _Number(101, 117),
    "quotactl": _Number(179, 60),
    "quotactl_fd": _Number(443, 443),
    "reboot": _Number(169, 142),
    "request_key": _Number(249, 218),
    "setdomainname": _Number(171, 162),
    "sethostname": _Number(170, 161),
    "setns": _Number(308, 268),
    "settimeofday": _Number(164, 170),
    "swapoff": _Number(168, 225),
    "swapon": _Number(167, 224),
    "syslog": _Number(103, 116),
    "unshare": _Number(272, 97),
    "userfaultfd": _Number(323, 282),
    "vhangup": _Number(153, 58),
}

_REFUSED: Final = {
    # Run-times probe these and fall back; clone3 hides its flags in memory where a filter cannot look.
    "clone3": (_Number(435, 435), _ENOSYS),
    "io_uring_setup": (_Number(425, 425), _ENOSYS),
    "io_uring_enter": (_Number(426, 426), _ENOSYS),
    "io_uring_register": (_Number(427, 427), _ENOSYS),
    "memfd_secret": (_Number(447, 447), _ENOSYS),
    # What these make outlives the run that made it.
    "shmget": (_Number(29, 194), _ENOSYS),
    "msgget": (_Number(68, 186), _ENOSYS),
    "semget": (_Number(64, 190), _ENOSYS),
    "mq_open": (_Number(240, 180), _ENOSYS),
    # A pair of connected Unix sockets is how asyncio and multiprocessing talk to themselves; nothing else is a socket.
    "socket": (_Number(41, 198), _EACCES),
    "bind": (_Number(49, 200), _EACCES),
    "connect": (_Number(42, 203), _EACCES),
    "listen": (_Number(50, 201), _EACCES),
    "personality": (_Number(135, 92), _EPERM),
    # Whoever gives way to everybody else waits, and looks like a program that the machine starved.
    "sched_setattr": (_Number(314, 274), _EPERM),
    "sched_setparam": (_Number(142, 118), _EPERM),
    "sched_setscheduler": (_Number(144, 119), _EPERM),
    "modify_ldt": (_Number(154, None), _EPERM),
    "name_to_handle_at": (_Number(303, 264), _EPERM),
    "process_madvise": (_Number(440, 440), _EPERM),
}

_UNACCOUNTED_MEMORY: Final = {
    "memfd_create": _Number(319, 279),
}

# Allowed on oneself (0) only: the init has the same user, and these ask for no more than that. With the argument that
# names the process.
_OF_ONESELF: Final = {
    "prlimit64": (_Number(302, 261), 0),
    "sched_setaffinity": (_Number(203, 122), 0),
    "setpriority": (_Number(141, 140), 1),
    "setpriority of a user or a group": (_Number(141, 140), 0),  # PRIO_PROCESS is 0
    "ioprio_set": (_Number(251, 30), 1),
    "migrate_pages": (_Number(256, 238), 0),
    "move_pages": (_Number(279, 239), 0),
}

_MOUNTS: Final = {"mount": _Number(165, 40), "umount2": _Number(166, 39)}

_CLONE: Final = _Number(56, 220)
_SOCKETPAIR: Final = _Number(53, 199)
_NEWEST_KNOWN: Final = 462  # mseal

_FORKS_AND_EXECS: Final = {
    "execve": _Number(59, 221),
    "execveat": _Number(322, 281),
    "fork": _Number(57, None),
    "vfork": _Number(58, None),
}

_AUDIT_ARCH: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}


def submission_filter(*, memory_is_accounted: bool) -> bytes:
    """What the init of a submission and everything below it may not do."""
    rules = dict.fromkeys(_numbers(_KILLED), _KILL)
    for number, action in _REFUSED.values():
        rules |= dict.fromkeys(_numbers({"": number}), action)
    if not memory_is_accounted:
        rules |= dict.fromkeys(_numbers(_UNACCOUNTED_MEMORY), _ENOSYS)
    return _assemble(rules, forbid_new_processes=False)


def program_filter() -> bytes:
    """What a program may not do beyond that."""
    return _assemble(dict.fromkeys(_numbers(_MOUNTS), _KILL), forbid_new_processes=False, check_flags=False)


def lone_process_filter() -> bytes:
    """For a host without namespaces: one process that starts no other, all of the above included."""
    rules = dict.fromkeys(_numbers(_KILLED | _MOUNTS), _KILL)
    for number, action in _REFUSED.values():
        rules |= dict.fromkeys(_numbers({"": number}), action)
    rules |= dict.fromkeys(_numbers(_UNACCOUNTED_MEMORY), _ENOSYS)
    rules |= dict.fromkeys(_numbers(_FORKS_AND_EXECS), _EPERM)
    return _assemble(rules, forbid_new_processes=True)


def _numbers(calls: dict[str, _Number]) -> list[int]:
    own = (getattr(number, platform.machine()) for number in calls.values())
    return [number for number in own if number is not None]


def _assemble(rules: dict[int, int], *, forbid_new_processes: bool, check_flags: bool = True) -> bytes:
    code = [
        _statement(_LOAD, _ARCH),
        _jump(_EQUAL, _AUDIT_ARCH[platform.machine()], 1, 0),
        _statement(_RETURN, _KILL),
        _statement(_LOAD, _NUMBER),
    ]
    if check_flags:
        # Above the newest call also lies the whole x32 table of x86_64, a second door to the same calls.
        code += [_jump(_GREATER, _NEWEST_KNOWN, 0, 1), _statement(_RETURN, _ENOSYS)]
        code += _when_argument(_own(_CLONE), _BITS_SET, _NEW_NAMESPACES, then=_KILL)
        if forbid_new_processes:
            code += _when_argument(_own(_CLONE), _BITS_SET, _CLONE_THREAD, otherwise=_EPERM)
        code += _when_argument(_own(_SOCKETPAIR), _EQUAL, _AF_UNIX, otherwise=_EACCES)
        for call, position in _OF_ONESELF.values():
            code += _when_argument(_own(call), _EQUAL, 0, otherwise=_EPERM, position=position)
    for number, action in sorted(rules.items()):
        code += [_jump(_EQUAL, number, 0, 1), _statement(_RETURN, action)]
    code.append(_statement(_RETURN, _ALLOW))
    return b"".join(code)


def _when_argument(
    number: int, test: int, value: int, *, then: int = _ALLOW, otherwise: int = _ALLOW, position: int = 0
) -> list[bytes]:
    """For call `number`, test the low half of an argument and decide; leaves the number loaded otherwise."""
    argument = _FIRST_ARGUMENT + 8 * position
    verdicts = [_statement(_RETURN, then), _statement(_RETURN, otherwise)]
    if then == _ALLOW and otherwise != _ALLOW:
        # Allowed so far only: further rules for the same call follow.
        return [
            _jump(_EQUAL, number, 0, 4),
            _statement(_LOAD, argument),
            _jump(test, value, 1, 0),
            verdicts[1],
            _statement(_LOAD, _NUMBER),
        ]
    return [
        _jump(_EQUAL, number, 0, 4),
        _statement(_LOAD, argument),
        _jump(test, value, 0, 1),
        verdicts[0],
        _statement(_LOAD, _NUMBER),
    ]


def _own(number: _Number) -> int:
    own = getattr(number, platform.machine())
    assert own is not None
    return int(own)


# Classic BPF: `struct sock_filter`, and the offsets into `struct seccomp_data` (little-endian).
_LOAD: Final = 0x20
_RETURN: Final = 0x06
_EQUAL: Final = 0x15
_GREATER: Final = 0x25
_BITS_SET: Final = 0x45
_NUMBER: Final = 0
_ARCH: Final = 4
_FIRST_ARGUMENT: Final = 16


def _statement(code: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, 0, 0, value)


def _jump(code: int, value: int, when_true: int, when_false: int) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)
