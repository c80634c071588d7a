"""Copies of executables, and how many of them stay open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.image import Image, ImageGoneError, Shelf


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf(limit_bytes=100, limit=3)
    yield shelf
    shelf.close()


def image(shelf: Shelf, path: Path, content: bytes) -> Image:
    path.write_bytes(content)
    return Image(path, shelf)


def opened() -> int:
    return len(os.listdir("/proc/self/fd"))


def used(image: Image) -> bytes:
    content = os.pread(image.hold(), 1000, 0)
    image.let_go()
    return content


def test_a_copy_that_was_let_go_of_is_the_next_ones(shelf: Shelf, tmp_path: Path) -> None:
    """The file need not be there any more: what it holds is named by its path."""
    first = image(shelf, tmp_path / "a", b"program")
    assert used(first) == b"program"
    (tmp_path / "a").unlink()
    assert used(Image(tmp_path / "a", shelf)) == b"program"
    with pytest.raises(ImageGoneError):
        Image(tmp_path / "a").hold()


@pytest.mark.parametrize(("size", "kept"), [(10, 3), (40, 2), (101, 0)])
def test_a_shelf_is_bounded_in_bytes_and_in_descriptors(shelf: Shelf, tmp_path: Path, size: int, kept: int) -> None:
    """The copies let go of last stay."""
    before = opened()
    images = [image(shelf, tmp_path / str(number), bytes([number]) * size) for number in range(6)]
    for one in images:
        used(one)
    assert opened() == before + kept
    for path in tmp_path.iterdir():
        path.unlink()
    for number, one in enumerate(images):
        if number >= 6 - kept:
            assert used(one) == bytes([number]) * size
        else:
            with pytest.raises(ImageGoneError):
                one.hold()
    shelf.close()
    assert opened() == before


def test_two_who_hold_one_program_leave_one_copy(shelf: Shelf, tmp_path: Path) -> None:
    """Each has its own while it runs."""
    before = opened()
    one, other = image(shelf, tmp_path / "a", b"program"), Image(tmp_path / "a", shelf)
    assert one.hold() != other.hold()
    one.let_go()
    other.let_go()
    assert opened() == before + 1


def test_after_its_end_a_shelf_keeps_nothing(shelf: Shelf, tmp_path: Path) -> None:
    """What is let go of then is closed."""
    before = opened()
    one = image(shelf, tmp_path / "a", b"program")
    one.hold()
    shelf.close()
    one.let_go()
    assert opened() == before
