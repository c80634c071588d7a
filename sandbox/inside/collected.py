"""Functions, classes and cases of a test that imports pytest, run by pytest: with its fixtures, marks and parameters.

They are given to it as they are, defined already. It reads no file and no settings, and rewrites no assertion. It is
imported ahead for submissions whose tests do: other forks would pay for it.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

_OPTIONS: Final = (
    *("--noconftest", "--config-file=/dev/null", "--rootdir=/tmp", "--assert=plain", "--capture=sys"),
    # Nothing is shown: what a test holds of the program would be asked for it.
    *("-qq", "--tb=native", "--no-header", "--no-summary", "--show-capture=no"),
    *("-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:doctest"),
)


GIVEN_UP: Final = "a test was skipped for what the program has answered"


class NotCollectedError(Exception):
    """What the test defines is not what pytest takes for tests, or for fixtures of theirs."""


def keep_back() -> None:
    """Let a test call `pytest.main` for itself: it is run when its text has been. Raises ImportError."""
    import pytest

    pytest.main = lambda *_, **__: pytest.ExitCode.OK


def run(namespace: Mapping[str, Any], asked: Callable[[], int]) -> None:
    """Run the tests among the names that a test binds, up to the first that fails; raise what it raised.

    `asked` tells how often the program has been asked something. Where that has come before, nothing is skipped.
    """
    import pytest
    from _pytest.config import main

    module = types.ModuleType("__main__")
    module.__dict__.update(namespace)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    session = _session(module, asked)
    ended = main([*_OPTIONS], plugins=[session])
    if session.failure is not None:
        raise session.failure
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise NotCollectedError(session.complaint or f"pytest ended with code {int(ended)}")
    if ended == pytest.ExitCode.OK and not session.passed:
        raise NotCollectedError("every test was skipped")


def _session(module: types.ModuleType, asked: Callable[[], int]) -> Any:
    """A plugin that knows what there is to be run, and notes what came of it."""
    import asyncio
    import inspect

    import pytest

    unknown = pytest.FixtureLookupError

    class Defined(pytest.Module):
        def _getobj(self) -> types.ModuleType:
            return module

    class Session:
        failure: BaseException | None = None
        complaint = ""
        passed = 0
        asked_before = 0

        @pytest.hookimpl(tryfirst=True)
        def pytest_collection(self, session: Any) -> object:
            """Collect what is defined, and look for no file."""
            session.items = list(session.genitems(Defined.from_parent(session, path=session.path / "main.py")))
            session.config.hook.pytest_collection_modifyitems(
                session=session, config=session.config, items=session.items
            )
            session.testscollected = len(session.items)
            return True

        def pytest_collectreport(self, report: Any) -> None:
            if report.failed:
                self.complaint = str(report.longrepr)

        @pytest.hookimpl(tryfirst=True)
        def pytest_pyfunc_call(self, pyfuncitem: Any) -> object:
            """Run a coroutine, as plugins do that tests are written for."""
            if not inspect.iscoroutinefunction(pyfuncitem.obj):
                return None
            names = pyfuncitem._fixtureinfo.argnames
            asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
            return True

        def pytest_runtest_logstart(self) -> None:
            self.asked_before = asked()

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
            report = yield
            raised = call.excinfo.value if call.excinfo is not None else AssertionError(str(report.longrepr))
            self.passed += report.when == "call" and report.passed
            gives_up = report.skipped and isinstance(raised, (pytest.skip.Exception, pytest.xfail.Exception))
            if gives_up and asked() > self.asked_before:
                report.outcome = "failed"
                raised = AssertionError(GIVEN_UP)
            if report.failed and self.failure is None:
                self.failure = NotCollectedError(str(raised)) if isinstance(raised, unknown) else raised
                item.session.shouldfail = "a test has failed"
            return report

    return Session()
