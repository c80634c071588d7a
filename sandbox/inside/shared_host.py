"""The seccomp filters of a host without namespaces, where a program shares its user with the service that judges it.

Beyond what `syscalls` refuses, nothing that reaches another process of the user, or what is counted for the user as a
whole: signals but to oneself, by whichever call and by whichever detour (owners of descriptors, death signals);
System V and POSIX queues, semaphores and segments; modes, owners, times and attributes of files, which Landlock does
not know; names of Unix sockets; new processes.

Calls that change nothing which a program of one process could miss succeed and do nothing: modes and times of files.
A filter is made for one process id: `lone_process_filter` once, `SignalsToSelf.of` for every run.

Where there is no Landlock either, a program changes no file: a filter cannot tell its own from others'.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Final

from sandbox.inside import syscalls
from sandbox.inside.syscalls import Number

_ERRNO: Final = 0x0005_0000
_DONE: Final = _ERRNO  # "fails" with error 0: the call is not made and returns 0
_EPERM: Final = _ERRNO | errno.EPERM
_EACCES: Final = _ERRNO | errno.EACCES
_ENOSYS: Final = _ERRNO | errno.ENOSYS
_ENOTTY: Final = _ERRNO | errno.ENOTTY

_CLONE_THREAD: Final = 0x0001_0000

# Stands for the program's process id until that is known, and its negative for the group of that name.
_SELF: Final = 0x7EAD_BEE1
_OWN_GROUP: Final = -_SELF & 0xFFFF_FFFF

_NEW_PROCESSES: Final = {"fork": Number(57, None), "vfork": Number(58, None)}
_EXECS: Final = {"execve": Number(59, 221), "execveat": Number(322, 281)}

_SIGNALS: Final = {
    # With the values that the first argument, whom it goes to, may have.
    "kill": (Number(62, 129), (_SELF, 0, _OWN_GROUP)),
    "tkill": (Number(200, 130), (_SELF,)),
    "tgkill": (Number(234, 131), (_SELF,)),
    "rt_sigqueueinfo": (Number(129, 138), (_SELF,)),
    "rt_tgsigqueueinfo": (Number(297, 240), (_SELF,)),
}

_REFUSED: Final = {
    "pidfd_send_signal": (Number(424, 424), _EPERM),
    "process_mrelease": (Number(448, 448), _EPERM),
    "ioprio_set": (Number(251, 30), _EPERM),
    "setpgid": (Number(109, 154), _EPERM),
    # Objects of the host that outlive the program, or that others of the same user have made.
    "shmget": (Number(29, 194), _ENOSYS),
    "shmat": (Number(30, 196), _ENOSYS),
    "shmctl": (Number(31, 195), _ENOSYS),
    "semget": (Number(64, 190), _ENOSYS),
    "semop": (Number(65, 193), _ENOSYS),
    "semctl": (Number(66, 191), _ENOSYS),
    "semtimedop": (Number(220, 192), _ENOSYS),
    "msgget": (Number(68, 186), _ENOSYS),
    "msgsnd": (Number(69, 189), _ENOSYS),
    "msgrcv": (Number(70, 188), _ENOSYS),
    "msgctl": (Number(71, 187), _ENOSYS),
    "mq_open": (Number(240, 180), _ENOSYS),
    "mq_unlink": (Number(241, 181), _ENOSYS),
    # Counted for the user or the machine as a whole: who takes all leaves none for others.
    "inotify_init": (Number(253, None), _ENOSYS),
    "inotify_init1": (Number(294, 26), _ENOSYS),
    "io_setup": (Number(206, 0), _ENOSYS),
    "memfd_create": (Number(319, 279), _ENOSYS),
    # Descriptors on their way are counted for the user, and would be refused to the service.
    "sendmsg": (Number(46, 211), _EACCES),
    "sendmmsg": (Number(307, 269), _EACCES),
    # Hides its flags in memory, where a filter cannot look.
    "openat2": (Number(437, 437), _ENOSYS),
    # Landlock knows none of these; a file of the service's is the program's own by its user.
    "chown": (Number(92, None), _EPERM),
    "lchown": (Number(94, None), _EPERM),
    "fchown": (Number(93, 55), _EPERM),
    "fchownat": (Number(260, 54), _EPERM),
    "chmod": (Number(90, None), _DONE),
    "fchmod": (Number(91, 52), _DONE),
    "fchmodat": (Number(268, 53), _DONE),
    "fchmodat2": (Number(452, 452), _DONE),
    "utime": (Number(132, None), _DONE),
    "utimes": (Number(235, None), _DONE),
    "futimesat": (Number(261, None), _DONE),
    "utimensat": (Number(280, 88), _DONE),
}

# How files come, go and change their names.
_CHANGES_OF_FILES: Final = {
    "creat": Number(85, None),
    "mkdir": Number(83, None),
    "mkdirat": Number(258, 34),
    "mknod": Number(133, None),
    "mknodat": Number(259, 33),
    "link": Number(86, None),
    "linkat": Number(265, 37),
    "symlink": Number(88, None),
    "symlinkat": Number(266, 36),
    "rename": Number(82, None),
    "renameat": Number(264, 38),
    "renameat2": Number(316, 276),
    "rmdir": Number(84, None),
    "unlink": Number(87, None),
    "unlinkat": Number(263, 35),
}

_FCNTL: Final = Number(72, 25)
_FCNTL_REFUSED: Final = {
    "F_SETOWN": 8,
    "F_SETSIG": 10,
    "F_SETOWN_EX": 15,
    "F_SETLEASE": 1024,  # others would wait to open the file
    "F_NOTIFY": 1026,
    "F_SETPIPE_SZ": 1031,
}

_PRCTL: Final = Number(157, 167)
_PRCTL_REFUSED: Final = {
    "PR_SET_PDEATHSIG": 1,  # it dies with its init
    "PR_SET_DUMPABLE": 4,  # its init must see what it uses
    "PR_SCHED_CORE": 62,  # would leave the other half of a core idle
    "PR_SET_PTRACER": 0x5961_6D61,
}

_IOCTL: Final = Number(16, 29)
_IOCTL_ALLOWED: Final = {
    "TCGETS": 0x5401,
    "TIOCGWINSZ": 0x5413,
    "FIONREAD": 0x541B,
    "FIONBIO": 0x5421,
    "FIONCLEX": 0x5450,
    "FIOCLEX": 0x5451,
    "TCGETS2": 0x802C_542A,
}

_CLONE: Final = Number(56, 220)
_SOCKETPAIR: Final = Number(53, 199)
_STREAM_AND_SEQPACKET: Final = (1, 5)  # a pair of datagram sockets sends to any name
_SOCKET_TYPE: Final = 0xF

_TRUNCATE: Final = Number(76, 45)
_OPENS: Final = {"open": (Number(2, None), 1), "openat": (Number(257, 56), 2)}
_O_CREAT: Final = 0o100
_O_TRUNC: Final = 0o1000
_O_ACCMODE: Final = 0o3
_READING: Final = 0
_NOT_FOR_WRITING: Final = (0, 3)


class SignalsToSelf:
    """The filter of programs: signals go to the process that installs it, and to nobody else."""

    def __init__(self, template: bytes) -> None:
        self._parts = _split(template)

    def of(self, pid: int) -> bytes:
        """The filter for the process `pid`."""
        values = {_SELF: pid, _OWN_GROUP: -pid & 0xFFFF_FFFF}
        return b"".join(part if isinstance(part, bytes) else struct.pack("=I", values[part]) for part in self._parts)


def lone_process_filter(*, executes: bool, landlock: int) -> SignalsToSelf:
    """One process that starts no other; `executes` one that may replace itself, by what Landlock lets it execute.

    `landlock` is the version that the kernel has; what an older one lacks is refused here, and without any, every
    change of a file.
    """
    rules = {**_for_everybody(landlock), **_refusing(_NEW_PROCESSES, _EPERM)}
    if not executes:
        rules |= _refusing(_EXECS, _EPERM)
    extra = syscalls.no_new_namespaces()
    extra += syscalls.unless(syscalls.own(_CLONE), syscalls.BITS_SET, (_CLONE_THREAD,), _EPERM)
    if landlock == 0:
        rules |= _refusing(_CHANGES_OF_FILES, _EACCES)
        extra += _opens_for_reading_alone()
    for number, values in _SIGNALS.values():
        extra += syscalls.unless(syscalls.own(number), syscalls.EQUAL, values, _EPERM)
    return SignalsToSelf(syscalls.assemble(rules, extra + _arguments(landlock)))


def compiler_filter(landlock: int) -> bytes:
    """For compilers, which are ours and read what is not: they start processes, and signal only within Landlock."""
    rules = _for_everybody(landlock)
    if landlock < syscalls.SIGNALS_SCOPED:
        rules |= _refusing({name: number for name, (number, _) in _SIGNALS.items()}, _EPERM)
    return syscalls.assemble(rules, syscalls.no_new_namespaces() + _arguments(landlock))


def _opens_for_reading_alone() -> list[bytes]:
    code = []
    for number, position in _own_opens():
        mask = _O_ACCMODE | _O_CREAT | _O_TRUNC
        code += syscalls.unless(number, syscalls.EQUAL, (_READING,), _EACCES, position=position, mask=mask)
    return code


def _own_opens() -> list[tuple[int, int]]:
    """The calls of this architecture that open files, and which argument says for what."""
    return [
        (syscalls.own(number), position)
        for number, position in _OPENS.values()
        if getattr(number, os.uname().machine) is not None
    ]


def _for_everybody(landlock: int) -> dict[int, int]:
    rules = syscalls.killed_and_refused()
    for number, action in _REFUSED.values():
        rules |= _refusing({"": number}, action)
    if landlock < syscalls.TRUNCATION_HELD:
        rules |= _refusing({"truncate": _TRUNCATE}, _EACCES)
    return rules


def _arguments(landlock: int) -> list[bytes]:
    code = []
    for value in _FCNTL_REFUSED.values():
        code += syscalls.when(syscalls.own(_FCNTL), syscalls.EQUAL, value, _EPERM, position=1)
    for value in _PRCTL_REFUSED.values():
        code += syscalls.when(syscalls.own(_PRCTL), syscalls.EQUAL, value, _EPERM)
    code += syscalls.unless(syscalls.own(_IOCTL), syscalls.EQUAL, tuple(_IOCTL_ALLOWED.values()), _ENOTTY, position=1)
    code += syscalls.unless(
        syscalls.own(_SOCKETPAIR), syscalls.EQUAL, _STREAM_AND_SEQPACKET, _EACCES, position=1, mask=_SOCKET_TYPE
    )
    if landlock < syscalls.TRUNCATION_HELD:
        # Opened for reading, a file is truncated all the same, and asks for no right to write.
        for number, position in _own_opens():
            for mode in _NOT_FOR_WRITING:
                mask = _O_TRUNC | _O_ACCMODE
                code += syscalls.when(number, syscalls.EQUAL, _O_TRUNC | mode, _EACCES, position=position, mask=mask)
    return code


def _refusing(calls: dict[str, Number], action: int) -> dict[int, int]:
    return dict.fromkeys(syscalls.numbers(calls), action)


def _split(template: bytes) -> list[bytes | int]:
    """A filter cut at the constants that stand for the process: bytes, and which constant."""
    parts: list[bytes | int] = []
    kept = 0
    for at in range(4, len(template), 8):
        (constant,) = struct.unpack_from("=I", template, at)
        if constant in (_SELF, _OWN_GROUP):
            parts += [template[kept:at], constant]
            kept = at + 4
    return [*parts, template[kept:]]
