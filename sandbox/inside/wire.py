"""Messages with file descriptors over a SEQPACKET socket: JSON objects, whole or not at all."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence

Message = dict[str, object]

# A run that the machine gives no core may last this many times its wall limit.
WALL_STRETCH = 10

_MAX_BYTES = 128 * 1024
_MAX_FDS = 16


def send(channel: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """Send one message and duplicates of `fds`. Raises OSError when the far side is gone."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    channel.sendmsg([json.dumps(message).encode()], rights)


def receive(channel: socket.socket) -> tuple[Message, list[int]]:
    """Receive one message and its descriptors, which the caller owns. Raises EOFError when the far side is gone."""
    data, ancillary, _, _ = channel.recvmsg(_MAX_BYTES, socket.CMSG_SPACE(4 * _MAX_FDS), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    if not data:
        raise EOFError
    try:
        message = json.loads(data)
        if not isinstance(message, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        for fd in fds:
            os.close(fd)
        raise EOFError("not a message") from error
    return message, list(fds)
