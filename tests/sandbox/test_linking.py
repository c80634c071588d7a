"""A program is linked as fast as can be only where that makes the same program of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox import languages, toolchain
from sandbox.languages import Tools
from sandbox.local import LocalJudge, LocalSettings
from sandbox.models import JudgeJob, StdioTest, Verdict

CPP = languages.by_name("cpp")
TOOLS = Tools({"cpp": "g++"}, {}, "-fuse-ld=mold", ("-static", "-s"), frozenset({"read", "write", "free", "exit"}))


@pytest.mark.parametrize(
    "source",
    [
        "int main() { int n; std::cin >> n; }",
        'int read() { int n; scanf("%d", &n); return n; }',
        "// read, then write\nint main() { /* free\n */ puts(\"exit\\\" read\"); char c = 'r'; int n = 1'000'000; }",
        "int main() { std::cin.read(b, 3); free(p); exit (0); }",
        "int readers, to_write;",
    ],
)
def test_what_only_calls_the_library_is_linked_fast(source: str) -> None:
    """Comments and text name nothing, and functions of the program's own are told apart by their arguments."""
    assert toolchain.links_fast(source.encode(), CPP, TOOLS)
    assert TOOLS.filled(CPP.compile, CPP, fast=True)[-5:] == ["-static", "-s", "-o", "program", "main.cpp"]


@pytest.mark.parametrize(
    "source",
    [
        "int read, n;",
        "bool free[100];",
        "int a = 1, write = 2;",
        "int read(0);",
        "int first = '\"', read = '\"';",
        'extern "C" long write(int, const void *, unsigned long);',
        'int mine asm("write");',
        '/* " */ int read; /* " */',
        "int main() { " + " " * (1 << 17) + "}",
    ],
)
def test_what_may_have_a_name_of_the_library_is_left_to_the_compiler(source: str) -> None:
    """And so is what would take long to look through."""
    assert not toolchain.links_fast(source.encode(), CPP, TOOLS)
    assert "-static" not in TOOLS.filled(CPP.compile, CPP)


@pytest.mark.parametrize("tools", [Tools({}, {}, "-fuse-ld=mold", ("-static",)), Tools({}, {})])
def test_without_the_names_nothing_is_linked_fast(tools: Tools) -> None:
    """They are read from libraries that a host may not have."""
    assert not toolchain.links_fast(b"int main() {}", CPP, tools)


def test_other_languages_are_linked_as_their_compilers_do() -> None:
    """Only where it gains much."""
    assert not toolchain.links_fast(b"int main(void) { return 0; }", languages.by_name("c"), TOOLS)


@pytest.mark.parametrize("part", ['\\"', "/*", "'", '"', "a ", "x ( ", "a\n", "\\"])
def test_a_source_is_looked_through_once(part: str) -> None:
    """Whatever it is made of: the time grows with its length, not with the square of it."""
    source = (part * 65_536)[: 1 << 16].encode()
    assert toolchain.links_fast(source, CPP, TOOLS)  # the square of it would take minutes


def test_what_does_not_link_fast_is_linked_as_the_compiler_does(cache_dir: Path) -> None:
    """A function declared by a header of C's is C's, and a static program can have one `malloc` only."""
    code = (
        "#include <cstdio>\n#include <cstdlib>\nalignas(16) static char pool[1 << 20];\nstatic size_t used;\n"
        "void *malloc(size_t n) noexcept { void *place = pool + used; used += (n + 15) / 16 * 16; return place; }\n"
        "void free(void *) noexcept {}\n"
        'int main() { int n; scanf("%d", &n); printf("%d\\n", 2 * n); }\n'
    )
    wrong = '#include <cstdio>\nint missing();\nint main() { printf("%d", missing()); }\n'

    async def scenario() -> None:
        judge = LocalJudge(LocalSettings(cache_dir=cache_dir, workers=2))
        await judge.start()
        try:
            assert toolchain.links_fast(code.encode(), CPP, languages.host_tools())
            judged = await judge.judge(JudgeJob(code, "cpp", (StdioTest(b"21\n", b"42\n"),)))
            assert judged.verdict is Verdict.ACCEPTED, judged
            refused = await judge.judge(JudgeJob(wrong, "cpp", (StdioTest(b"", b"1"),)))
            assert refused.verdict is Verdict.COMPILE_ERROR
            assert "missing" in (refused.compile_output or "")
        finally:
            await judge.close()

    asyncio.run(scenario())
