"""The seccomp filters: which system calls end a program, and which merely fail.

A call that no honest program makes kills (`SIGSYS`), so that the verdict can say so. A call that honest run-times try
and can do without fails with an error they expect. Everything else is allowed: namespaces, capabilities and the
read-only root confine it. Calls that this table does not know, because they are newer, do not exist for the program
(ENOSYS).

Three filters add up, for the kernel goes through a new one for each call that there is: `slot_filter` is installed
once, and is the long one; `submission_filter` when an init needs no namespaces and no other root any more;
`program_filter` for every run, because the init of a submission must mount a fresh /tmp between runs. Where there are
no namespaces, `shared_host` has the filters.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_EPERM: Final = 0x0005_0000 | errno.EPERM
_EACCES: Final = 0x0005_0000 | errno.EACCES
_ENOSYS: Final = 0x0005_0000 | errno.ENOSYS
_IGNORED: Final = 0x0005_0000  # said to have been done

_NEW_NAMESPACES: Final = 0x7E02_0000
_AF_UNIX: Final = 1


class Number(NamedTuple):
    """The number of a system call; None where the architecture has none."""

    x86_64: int | None
    aarch64: int | None


_KILLED: Final = {
    "acct": Number(163, 89),
    "add_key": Number(248, 217),
    "bpf": Number(321, 280),
    "clock_adjtime": Number(305, 266),
    "clock_settime": Number(227, 112),
    "delete_module": Number(176, 106),
    "fanotify_init": Number(300, 262),
    "finit_module": Number(313, 273),
    "fsconfig": Number(431, 431),
    "fsmount": Number(432, 432),
    "fsopen": Number(430, 430),
    "fspick": Number(433, 433),
    "init_module": Number(175, 105),
    "ioperm": Number(173, None),
    "iopl": Number(172, None),
    "kcmp": Number(312, 272),
    "kexec_file_load": Number(320, 294),
    "kexec_load": Number(246, 104),
    "keyctl": Number(250, 219),
    "mount_setattr": Number(442, 442),
    "move_mount": Number(429, 429),
    "open_by_handle_at": Number(304, 265),
    "open_tree": Number(428, 428),
    "perf_event_open": Number(298, 241),
    "pidfd_getfd": Number(438, 438),
    "pivot_root": Number(155, 41),
    "process_vm_readv": Number(310, 270),
    "process_vm_writev": Number(311, 271),
    "ptrace": Number(101, 117),
    "quotactl": Number(179, 60),
    "quotactl_fd": Number(443, 443),
    "reboot": Number(169, 142),
    "request_key": Number(249, 218),
    "setdomainname": Number(171, 162),
    "sethostname": Number(170, 161),
    "setns": Number(308, 268),
    "settimeofday": Number(164, 170),
    "swapoff": Number(168, 225),
    "swapon": Number(167, 224),
    "syslog": Number(103, 116),
    "unshare": Number(272, 97),
    "userfaultfd": Number(323, 282),
    "vhangup": Number(153, 58),
}

_REFUSED: Final = {
    # Run-times probe these and fall back; clone3 hides its flags in memory where a filter cannot look.
    "clone3": (Number(435, 435), _ENOSYS),
    "io_uring_setup": (Number(425, 425), _ENOSYS),
    "io_uring_enter": (Number(426, 426), _ENOSYS),
    "io_uring_register": (Number(427, 427), _ENOSYS),
    "memfd_secret": (Number(447, 447), _ENOSYS),
    # What these make outlives the run that made it.
    "shmget": (Number(29, 194), _ENOSYS),
    "msgget": (Number(68, 186), _ENOSYS),
    "semget": (Number(64, 190), _ENOSYS),
    "mq_open": (Number(240, 180), _ENOSYS),
    # So do attributes, of whatever one test finds and the next one, too; they are memory of the kernel's.
    "setxattr": (Number(188, 5), _EPERM),
    "lsetxattr": (Number(189, 6), _EPERM),
    "fsetxattr": (Number(190, 7), _EPERM),
    "removexattr": (Number(197, 14), _EPERM),
    "lremovexattr": (Number(198, 15), _EPERM),
    "fremovexattr": (Number(199, 16), _EPERM),
    # A pair of connected Unix sockets is how asyncio and multiprocessing talk to themselves; nothing else is a socket.
    "socket": (Number(41, 198), _EACCES),
    "bind": (Number(49, 200), _EACCES),
    "connect": (Number(42, 203), _EACCES),
    "listen": (Number(50, 201), _EACCES),
    "personality": (Number(135, 92), _EPERM),
    # Whoever gives way to everybody else waits, and looks like a program that the machine starved.
    "sched_setattr": (Number(314, 274), _EPERM),
    "sched_setparam": (Number(142, 118), _EPERM),
    "sched_setscheduler": (Number(144, 119), _EPERM),
    "modify_ldt": (Number(154, None), _EPERM),
    "name_to_handle_at": (Number(303, 264), _EPERM),
    "process_madvise": (Number(440, 440), _EPERM),
}

_UNACCOUNTED_MEMORY: Final = {
    "memfd_create": Number(319, 279),
}

_AFFINITY: Final = Number(203, 122)

# Allowed on oneself (0) only: the init has the same user, and these ask for no more than that. With the argument that
# names the process.
_OF_ONESELF: Final = {
    "prlimit64": (Number(302, 261), 0),
    "sched_setaffinity": (_AFFINITY, 0),
    "setpriority": (Number(141, 140), 1),
    "setpriority of a user or a group": (Number(141, 140), 0),  # PRIO_PROCESS is 0
    "ioprio_set": (Number(251, 30), 1),
    "migrate_pages": (Number(256, 238), 0),
    "move_pages": (Number(279, 239), 0),
}

# A hint stays with the directory that it was given for, and programs share some.
_FCNTL: Final = Number(72, 25)
_HINTS: Final = (1036, 1038)  # F_SET_RW_HINT, F_SET_FILE_RW_HINT

_ROOTS: Final = {"chroot": Number(161, 51)}
_MOUNTS: Final = {"mount": Number(165, 40), "umount2": Number(166, 39)}

_CLONE: Final = Number(56, 220)
_SOCKETPAIR: Final = Number(53, 199)
_NEWEST_KNOWN: Final = 462  # mseal

# The first versions of Landlock that hold truncation and signals.
TRUNCATION_HELD: Final = 3
SIGNALS_SCOPED: Final = 6

_AUDIT_ARCH: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}


def slot_filter() -> bytes:
    """What nobody in a slot may do, its warm interpreter included."""
    return assemble(dict.fromkeys(numbers(_KILLED), _KILL) | _refused())


def submission_filter() -> bytes:
    """What the init of a submission and everything below it may not do beyond that."""
    return assemble(dict.fromkeys(numbers(_ROOTS), _KILL), no_new_namespaces(), check_flags=False)


def program_filter(*, memory_is_accounted: bool) -> bytes:
    """What a program may not do beyond that."""
    rules = dict.fromkeys(numbers(_MOUNTS), _KILL)
    if not memory_is_accounted:
        rules |= dict.fromkeys(numbers(_UNACCOUNTED_MEMORY), _ENOSYS)
    # Many processes on one core would keep its zygote from starting others, while another core is free.
    ignored = when(own(_AFFINITY), EQUAL, 0, _IGNORED)
    hints = [code for hint in _HINTS for code in when(own(_FCNTL), EQUAL, hint, _EPERM, position=1)]
    return assemble(rules, [*ignored, *hints], check_flags=False)


def killed_and_refused() -> dict[int, int]:
    """What nobody may do anywhere, mounting included, by the number of the call."""
    return dict.fromkeys(numbers(_KILLED | _ROOTS | _MOUNTS), _KILL) | _refused()


def _refused() -> dict[int, int]:
    rules: dict[int, int] = {}
    for number, action in _REFUSED.values():
        rules |= dict.fromkeys(numbers({"": number}), action)
    return rules


def numbers(calls: dict[str, Number]) -> list[int]:
    """Those that this architecture has."""
    found = (getattr(number, os.uname().machine) for number in calls.values())
    return [number for number in found if number is not None]


def assemble(rules: dict[int, int], extra: Sequence[bytes] = (), *, check_flags: bool = True) -> bytes:
    """A filter: what `rules` do with whole calls, after `extra` has looked at arguments."""
    code = [
        _statement(_LOAD, _ARCH),
        _jump(EQUAL, _AUDIT_ARCH[os.uname().machine], 1, 0),
        _statement(_RETURN, _KILL),
        _statement(_LOAD, _NUMBER),
    ]
    if check_flags:
        # Above the newest call also lies the whole x32 table of x86_64, a second door to the same calls.
        code += [_jump(_GREATER, _NEWEST_KNOWN, 0, 1), _statement(_RETURN, _ENOSYS)]
        code += unless(own(_SOCKETPAIR), EQUAL, (_AF_UNIX,), _EACCES)
        for call, position in _OF_ONESELF.values():
            code += unless(own(call), EQUAL, (0,), _EPERM, position=position)
    code += extra
    for number, action in sorted(rules.items()):
        code += [_jump(EQUAL, number, 0, 1), _statement(_RETURN, action)]
    code.append(_statement(_RETURN, _ALLOW))
    return b"".join(code)


def no_new_namespaces() -> list[bytes]:
    """End a process that is to be born in namespaces of its own."""
    return when(own(_CLONE), BITS_SET, _NEW_NAMESPACES, _KILL)


def when(number: int, test: int, value: int, action: int, *, position: int = 0, mask: int = 0xFFFF_FFFF) -> list[bytes]:
    """Of call `number`, end with `action` where the low half of an argument passes the test."""
    return _looking_at(number, position, mask, [_jump(test, value, 0, 1), _statement(_RETURN, action)])


def unless(
    number: int,
    test: int,
    values: Sequence[int],
    action: int,
    *,
    position: int = 0,
    mask: int = 0xFFFF_FFFF,
) -> list[bytes]:
    """Of call `number`, end with `action` where the low half of an argument passes the test for none of `values`."""
    left = range(len(values), 0, -1)
    tests = [_jump(test, value, count, 0) for value, count in zip(values, left, strict=True)]
    return _looking_at(number, position, mask, [*tests, _statement(_RETURN, action)])


def _looking_at(number: int, position: int, mask: int, decide: list[bytes]) -> list[bytes]:
    """Decide upon an argument of call `number`; the number is loaded before and after."""
    body = [
        _statement(_LOAD, _FIRST_ARGUMENT + 8 * position),
        _statement(_AND, mask),
        *decide,
        _statement(_LOAD, _NUMBER),
    ]
    return [_jump(EQUAL, number, 0, len(body)), *body]


def own(number: Number) -> int:
    """The number of a call that every architecture has."""
    found = getattr(number, os.uname().machine)
    assert found is not None
    return int(found)


# Classic BPF: `struct sock_filter`, and the offsets into `struct seccomp_data` (little-endian).
_LOAD: Final = 0x20
_RETURN: Final = 0x06
_AND: Final = 0x54
EQUAL: Final = 0x15
_GREATER: Final = 0x25
BITS_SET: Final = 0x45
_NUMBER: Final = 0
_ARCH: Final = 4
_FIRST_ARGUMENT: Final = 16


def _statement(code: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, 0, 0, value)


def _jump(code: int, value: int, when_true: int, when_false: int) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)
