"""One loaded model for all tests."""

import pytest

from language_id.detector import LanguageDetector


@pytest.fixture(scope="session")
def detector() -> LanguageDetector:
    return LanguageDetector()
