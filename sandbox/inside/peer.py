"""The channel between a program and the assertions about it, as both ends see it: questions, answers, and what crosses.

Plain data crosses by value, and so do values of the standard library, in their parts. Everything else crosses as a name
that its owner resolves. A far side that is gone, or does not speak like this, is a `FarSideGoneError`.
"""

from __future__ import annotations

import builtins
import struct
import threading
from typing import Any, Final

from sandbox.inside import plain, values
from sandbox.inside.wire import Socket

_LENGTH: Final = struct.Struct("<I")
_MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_MAX_NESTED_CALLS: Final = 120  # each takes seven frames of the interpreter's thousand


class FarSideGoneError(BaseException):
    """The far side is gone, or talks nonsense. Not for a program or a test to catch."""


class Peer:
    """One end of the channel: asks, and answers while it waits."""

    def __init__(self, fd: int) -> None:
        self._socket = Socket(fileno=fd)
        self._exported: list[object] = []  # kept alive, so that an id names one object
        self._indices: dict[int, int] = {}
        self._depth = 0
        self._questions = 0
        self._turn = threading.RLock()  # one thread asks at a time, and gets its own answer
        self.gone = False

    def ask(self, *question: object) -> Any:
        """Send a question and return the answer, answering what the far side asks meanwhile.

        Whoever is interrupted while he waits leaves an answer behind, which is nobody's.
        """
        with self._turn:
            self._depth += 1
            try:
                if self._depth > _MAX_NESTED_CALLS:
                    raise RecursionError("calls back and forth nested too deep")
                self._questions += 1
                number = self._questions
                self._send(("ask", number, *question))
                self.wait_for_answer()
                while True:
                    message = self._receive()
                    if message[0] == "ask":
                        self.reply_to(message)
                    elif message[1] == number:
                        return message[2:]
            finally:
                self._depth -= 1

    def wait_for_answer(self) -> None:
        """Called when a question is sent and not answered yet."""

    def serve(self) -> None:
        """Answer until the far side hangs up."""
        while True:
            try:
                message = self._receive()
            except FarSideGoneError:
                return
            self.reply_to(message)

    def reply_to(self, message: Any) -> None:
        """Answer a question: `ask`, its number, and what is asked."""
        raise NotImplementedError

    def send_answer(self, number: object, *answer: object) -> None:
        """Send the answer to the question of that number."""
        self._send(("answer", number, *answer))

    def cross(self, value: object) -> bytes | None:
        """How `value` crosses, which is not plain: in its parts where it has any, else by a name.

        None for what derives from a built-in type and is no more than that.
        """
        parts = values.taken_apart(value)
        if parts is not None:
            return plain.extension(plain.dumps(("value", *parts), extend=self.cross))
        if isinstance(value, type) and _is_builtin(value) and self.gives(value):
            return plain.extension(plain.dumps(("builtin", value.__name__)))
        name = self.name(value)
        return None if name is None else plain.extension(plain.dumps(name, extend=self.cross))

    def arrive(self, payload: bytes) -> object:
        """What the far side sent in that way."""
        said = plain.loads(payload, extend=self.arrive)
        if type(said) is not tuple or len(said) < 2 or type(said[0]) is not str:
            raise self.lost("not a name")
        if said[0] == "value":
            try:
                return values.put_together(said[1:])
            except ValueError as error:
                raise self.lost(str(error)) from error
        if said[0] == "builtin":
            kind: object = vars(builtins).get(said[1]) if type(said[1]) is str else None
            if not isinstance(kind, type) or not self.takes(kind):
                raise self.lost("not a type")
            return kind
        return self.named(*said)

    def decoded(self, message: bytes) -> Any:
        """A message as it was said. Raises MalformedError."""
        return plain.loads(message, extend=self.arrive)

    def gives(self, kind: type) -> bool:
        """Whether a built-in type crosses as itself to the far side."""
        return True

    def takes(self, kind: type) -> bool:
        """Whether a built-in type is taken as itself from the far side."""
        return True

    def name(self, value: object) -> tuple[object, ...] | None:
        """How `value` is named for the far side."""
        raise NotImplementedError

    def named(self, kind: str, index: Any, *rest: Any) -> object:
        """What the far side's name stands for."""
        raise NotImplementedError

    def keep(self, value: object) -> int:
        """The index by which the far side may name `value` from now on."""
        index = self._indices.setdefault(id(value), len(self._exported))
        if index == len(self._exported):
            self._exported.append(value)
        return index

    def kept(self, index: object) -> Any:
        """What was kept under `index`."""
        if type(index) is not int or not 0 <= index < len(self._exported):
            raise self.lost("unknown reference")
        return self._exported[index]

    def lost(self, why: str) -> FarSideGoneError:
        """The error to raise, remembered: whoever swallows it has not got away with it."""
        self.gone = True
        return FarSideGoneError(why)

    def _send(self, message: tuple[object, ...]) -> None:
        encoded = plain.dumps(message, max_bytes=_MAX_MESSAGE_BYTES, extend=self.cross)
        try:
            self._socket.sendall(_LENGTH.pack(len(encoded)) + encoded)
        except OSError as error:
            raise self.lost(str(error)) from error

    def _receive(self) -> Any:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _MAX_MESSAGE_BYTES:
            raise self.lost("message too large")
        try:
            message = self.decoded(self._exactly(length))
        except plain.MalformedError as error:
            raise self.lost(str(error)) from error
        if type(message) is not tuple or len(message) < 3 or message[0] not in ("ask", "answer"):
            raise self.lost("not a message")
        if type(message[1]) is not int:
            raise self.lost("no number")
        return message

    def _exactly(self, count: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < count:
            try:
                chunk = self._socket.recv(min(count - len(chunks), 1 << 20))
            except OSError as error:
                raise self.lost(str(error)) from error
            if not chunk:
                raise self.lost("the far side ended")
            chunks += chunk
        return bytes(chunks)


def _is_builtin(kind: type) -> bool:
    known: object = vars(builtins).get(kind.__name__)
    return known is kind
