"""A language is found by what people call it."""

import pytest

from sandbox.languages import find


@pytest.mark.parametrize(
    ("names", "language"),
    [
        pytest.param("python Python py py3 python3 python2 Python3.11 python-3 pypy3 PyPy3", "python", id="python"),
        pytest.param("cpp C++ c++11 c++14 cpp14 c++17 C++20 c++23 c++2a gnu++17 g++ g++-12 cxx cc", "cpp", id="cpp"),
        pytest.param("c C c99 c11 c17 c2x gcc", "c", id="c"),
        pytest.param("js JavaScript node nodejs node18", "javascript", id="javascript"),
    ],
)
def test_a_version_is_no_part_of_a_name(names, language):
    """Nor is the case."""
    assert {
        name: found and found.name for name in names.split() if (found := find(name)) is None or found.name != language
    } == {}


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("Python 3", "python"),
        (" python ", "python"),
        ("PyPy 3-64", "python"),
        ("Python (3.8.2)", "python"),
        ("C++17 (GCC)", "cpp"),
        ("GNU C++20 (64 bit)", "cpp"),
        ("C (GCC)", "c"),
    ],
)
def test_names_are_read_as_contest_sites_write_them(name, language):
    """With blanks, and a remark in parentheses behind them."""
    assert find(name).name == language


@pytest.mark.parametrize(
    "name", ["", " ", "3", "text", "c#", "C# (Mono)", "pythonic", "bash", "(python)", "c++x", "++"]
)
def test_other_names_are_no_language(name):
    """A name is never guessed."""
    assert find(name) is None
