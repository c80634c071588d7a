"""One verifier with its workers for all tests of this directory: they are warm once, and each test leaves them so."""

import asyncio

import pytest

from reward_server.math.models import MathSettings, Verification
from reward_server.math.verifier import MathVerifier


class Verify:
    """Ask a running verifier from a test that is not asynchronous."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.verifier = MathVerifier(workers=2)
        self._runner.run(self.verifier.start())

    def close(self) -> None:
        self._runner.run(self.verifier.close())
        self._runner.close()

    def run(self, story):
        return self._runner.run(story)

    def __call__(self, reference, answer, *, others=(), **settings) -> Verification:
        references = [reference] if isinstance(reference, str) else reference
        return self.run(
            self.verifier.verify(answer=answer, references=references, settings=MathSettings(**settings), others=others)
        )

    def equal(self, reference: str, answer: str, **settings) -> bool:
        return self(reference, answer, **settings).verdict == "correct"


@pytest.fixture(scope="package")
def verify():
    verify = Verify()
    yield verify
    verify.close()
