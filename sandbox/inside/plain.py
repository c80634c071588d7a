"""Plain data as bytes: what crosses the border between a program and those who judge it.

Carries None, bool, int, float, str, bytes, list, tuple, dict, set and frozenset, nested to `MAX_DEPTH`. `dumps`
rebuilds subclasses as the built-in type they derive from, by the methods of the built-in type, so that an overridden
`__eq__` or `__iter__` stays behind; anything else raises `NotPlainError`. `loads` builds nothing but these types,
never runs code that the bytes name, and raises `MalformedError` for bytes that `dumps` did not write, however they
were made.

Not promised: that sets and dicts with equal keys of different types (1 and True) keep both, nor that `loads` is quick:
keys made to collide cost the square of their number. It is for processes that are themselves in a jail; the server
reads with `envelope` and compares with `sandbox.returned`, which build and hash nothing.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any, Final

MAX_DEPTH: Final = 100

_COUNT: Final = struct.Struct("<I")
_DOUBLE: Final = struct.Struct("<d")


class NotPlainError(Exception):
    """The value holds something that is not plain data, or nests too deep."""


class MalformedError(Exception):
    """The bytes are not what `dumps` writes."""


def dumps(
    value: object, *, max_bytes: int | None = None, extend: Callable[[object], bytes | None] | None = None
) -> bytes:
    """Encode `value`. `extend` may give the encoding (`tag` and payload, see `extension`) of what is not plain.

    It is asked first about what derives from a built-in type, and may give None to have that type's value.
    """
    chunks: list[bytes] = []
    _Writer(chunks, max_bytes, extend).write(value, 0)
    return b"".join(chunks)


def loads(data: bytes, *, extend: Callable[[bytes], object] | None = None) -> Any:
    """Decode what `dumps` wrote; `extend` turns the payload of an extension back into an object."""
    reader = _Reader(data, extend)
    value = reader.read(0)
    if reader.left:
        raise MalformedError("bytes are left over")
    return value


def extension(payload: bytes) -> bytes:
    """The encoding of something that is not plain data, for `dumps(extend=…)`."""
    return b"x" + _COUNT.pack(len(payload)) + payload


class _Writer:
    def __init__(
        self, chunks: list[bytes], max_bytes: int | None, extend: Callable[[object], bytes | None] | None
    ) -> None:
        self._chunks = chunks
        self._room = max_bytes if max_bytes is not None else sys.maxsize
        self._extend = extend

    def write(self, value: object, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise NotPlainError(f"nested deeper than {MAX_DEPTH}")
        kind = type(value)
        if self._extend is not None and kind not in _EXACT and issubclass(kind, _BUILT_IN):
            encoded = self._extend(value)
            if encoded is not None:
                self._put(encoded)
                return
        # bool before int: it is a subclass of it. `issubclass` on the type, for `isinstance` asks `__class__`.
        if value is None:
            self._put(b"n")
        elif value is True or value is False:
            self._put(b"t" if value else b"f")
        elif issubclass(kind, int):
            number = int.__index__(value)  # type: ignore[arg-type]
            self._put_sized(b"i", number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True))
        elif issubclass(kind, float):
            self._put(b"d" + _DOUBLE.pack(float.__float__(value)))  # type: ignore[arg-type]
        elif issubclass(kind, str):
            self._put_sized(b"s", str.encode(value, "utf-8", "surrogatepass"))  # type: ignore[arg-type]
        elif issubclass(kind, (bytes, bytearray)):
            self._put_sized(b"b", b"".join((value,)))  # type: ignore[arg-type]
        elif issubclass(kind, list):
            self._put_all(b"l", list.__len__(value), list.__iter__(value), depth)  # type: ignore[arg-type]
        elif issubclass(kind, tuple):
            self._put_all(b"u", tuple.__len__(value), tuple.__iter__(value), depth)  # type: ignore[arg-type]
        elif issubclass(kind, dict):
            self._put(b"m" + _COUNT.pack(dict.__len__(value)))  # type: ignore[arg-type]
            for key, item in dict.items(value):  # type: ignore[arg-type,var-annotated]
                self.write(key, depth + 1)
                self.write(item, depth + 1)
        elif issubclass(kind, set):
            self._put_all(b"e", set.__len__(value), set.__iter__(value), depth)  # type: ignore[arg-type]
        elif issubclass(kind, frozenset):
            self._put_all(b"z", frozenset.__len__(value), frozenset.__iter__(value), depth)  # type: ignore[arg-type]
        else:
            encoded = self._extend(value) if self._extend is not None else None
            if encoded is None:
                raise NotPlainError(f"an object of type {kind.__name__!r} is not plain data")
            self._put(encoded)

    def _put(self, chunk: bytes) -> None:
        self._room -= len(chunk)
        if self._room < 0:
            raise NotPlainError("too large")
        self._chunks.append(chunk)

    def _put_sized(self, tag: bytes, payload: bytes) -> None:
        self._put(tag + _COUNT.pack(len(payload)) + payload)

    def _put_all(self, tag: bytes, count: int, items: Any, depth: int) -> None:
        self._put(tag + _COUNT.pack(count))
        items = list(items)
        kinds = set(map(type, items))
        if len(kinds) == 1 and (encode := _ALIKE.get(kinds.pop())) is not None and depth < MAX_DEPTH:
            self._put(b"".join(map(encode, items)))
            return
        for item in items:
            self.write(item, depth + 1)


class Cursor:
    """A place in what `dumps` wrote. Every method raises MalformedError where the bytes end too soon."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self.position

    def tag(self) -> bytes:
        """What kind of value comes next."""
        return self.take(1)

    def count(self) -> int:
        """The number of elements, or of bytes, of a value whose tag was read."""
        return int(_COUNT.unpack(self.take(4))[0])

    def double(self) -> float:
        """The float whose tag was read."""
        return float(_DOUBLE.unpack(self.take(8))[0])

    def payload(self) -> bytes:
        """The bytes of an int, a str, a bytes or an extension whose tag was read."""
        return self.take(self.count())

    def take(self, count: int) -> bytes:
        chunk = self._data[self.position : self.position + count]
        if len(chunk) != count:
            raise MalformedError("cut short")
        self.position += count
        return chunk


def integer(payload: bytes) -> int:
    """The int that `payload` stands for."""
    return int.from_bytes(payload, "little", signed=True)


def text(payload: bytes) -> str:
    """The str that `payload` stands for. Raises MalformedError."""
    try:
        return payload.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise MalformedError(str(error)) from error


def envelope(data: bytes, *, fields: int = 8) -> dict[str, str | bytes]:
    """Read a dict of a few texts and bytes, and nothing else.

    This is how a process reads what a hostile one may have written: no collection is built from it and nothing of it
    is hashed but these keys. Raises MalformedError.
    """
    cursor = Cursor(data)
    if cursor.tag() != b"m" or (count := cursor.count()) > fields:
        raise MalformedError("not an envelope")
    read: dict[str, str | bytes] = {}
    for _ in range(count):
        if cursor.tag() != b"s":
            raise MalformedError("not a key")
        key, tag, payload = text(cursor.payload()), cursor.tag(), cursor.payload()
        if tag not in (b"s", b"b"):
            raise MalformedError("not a text")
        read[key] = text(payload) if tag == b"s" else payload
    if cursor.left:
        raise MalformedError("bytes are left over")
    return read


class _Reader(Cursor):
    def __init__(self, data: bytes, extend: Callable[[bytes], object] | None) -> None:
        super().__init__(data)
        self._extend = extend

    def read(self, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise MalformedError("nested too deep")
        tag = self.tag()
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag == b"d":
            return self.double()
        if tag in b"isbx":
            return self._read_sized(tag)
        if tag in b"luezm":
            return self._read_collection(tag, depth)
        raise MalformedError(f"unknown tag {tag!r}")

    def _read_sized(self, tag: bytes) -> object:
        payload = self.payload()
        if tag == b"i":
            return integer(payload)
        if tag == b"b":
            return payload
        if tag == b"s":
            return text(payload)
        if self._extend is None:
            raise MalformedError("an extension where plain data was expected")
        return self._extend(payload)

    def _read_collection(self, tag: bytes, depth: int) -> object:
        count = self.count()
        # Every element takes a byte at least, so a count that promises more than there is asks for nothing.
        if count > self.left:
            raise MalformedError("a count beyond the end")
        if tag == b"m":
            return self._hashed(lambda: {self.read(depth + 1): self.read(depth + 1) for _ in range(count)})
        items = [self.read(depth + 1) for _ in range(count)]
        if tag == b"l":
            return items
        if tag == b"u":
            return tuple(items)
        return self._hashed(lambda: set(items) if tag == b"e" else frozenset(items))

    @staticmethod
    def _hashed(build: Callable[[], object]) -> object:
        try:
            return build()
        except TypeError as error:  # a list as a key
            raise MalformedError(str(error)) from error


def _encoded_int(number: int) -> bytes:
    payload = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"i" + _COUNT.pack(len(payload)) + payload


def _encoded_str(text: str) -> bytes:
    payload = text.encode("utf-8", "surrogatepass")
    return b"s" + _COUNT.pack(len(payload)) + payload


# The long lists are of one kind, and whoever returns one is charged for the time that this takes.
_ALIKE: Final[dict[type, Callable[[Any], bytes]]] = {
    int: _encoded_int,
    str: _encoded_str,
    float: lambda number: b"d" + _DOUBLE.pack(number),
}
_BUILT_IN: Final = (int, float, str, bytes, bytearray, list, tuple, dict, set, frozenset)
_EXACT: Final = frozenset({*_BUILT_IN, bool, type(None)} - {bytearray})
_CONSTANTS: Final = {b"n": None, b"t": True, b"f": False}
