"""The classifier behind its door: labels, edges, and that nothing makes it raise."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language_id.detector import MAX_CHARS, UNDETERMINED, LanguageDetector, bundled_model


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("en", "We first count the number of ways to choose three points on the circle."),
        ("fr", "Nous comptons d'abord le nombre de façons de choisir trois points sur le cercle."),
        ("es", "Primero contamos de cuántas maneras se pueden elegir tres puntos del círculo."),
        ("it", "Contiamo prima in quanti modi si possono scegliere tre punti sulla circonferenza."),
        ("de", "Wir zählen zuerst, auf wie viele Arten man drei Punkte auf dem Kreis wählen kann."),
        ("zh", "我们首先计算在圆上选取三个点一共有多少种不同的方法。"),
        ("ru", "Сначала посчитаем, сколькими способами можно выбрать три точки на окружности."),
    ],
)
def test_a_sentence_is_given_the_label_of_its_language(detector: LanguageDetector, label: str, text: str) -> None:
    """The paper's seven languages, a sentence each."""
    assert detector.detect(text).label == label


@pytest.mark.parametrize("text", ["", "   \n\t", "\0\0", "12 + 30 = 42", "🙂 …", "\ud800"])
def test_a_text_without_letters_is_undetermined(detector: LanguageDetector, text: str) -> None:
    """There is nothing to go by, and the model's guess about nothing (English) is not repeated."""
    assert detector.detect(text).label == UNDETERMINED
    assert detector.detect(text).probability == 0.0
    assert detector.candidates(text, 5) == ()


@given(st.text(st.characters(exclude_categories=()), max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_it_raise(detector: LanguageDetector, text: str) -> None:
    """Lone surrogates, NUL, every kind of line end: all of them are text that a model can print."""
    found = detector.candidates(text, 5)
    assert all(0.0 <= each.probability <= 1.0 for each in found)
    assert sorted(found, key=lambda each: -each.probability) == list(found)


def test_the_same_words_are_the_same_language_however_they_are_separated(detector: LanguageDetector) -> None:
    """The model reads one line; NUL, tab and line ends are only space to it."""
    assert detector.detect("Bonjour\nle\0monde\r\nentier") == detector.detect("Bonjour le monde entier")


def test_a_long_text_is_judged_by_all_of_it(detector: LanguageDetector) -> None:
    """Only so many characters are looked at, but they come from everywhere: the start is no more than the rest."""
    text = "This is the start. " * 20 + "Всё остальное написано по-русски. " * 100_000
    assert len(text) > 100 * MAX_CHARS
    assert detector.detect(text).label == "ru"


def test_the_model_can_be_given_by_its_path(detector: LanguageDetector, tmp_path: Path) -> None:
    """Whoever wants the larger lid.176.bin names it; the bundled file is the default and loads from anywhere."""
    copy = tmp_path / "elsewhere.ftz"
    copy.write_bytes(bundled_model().read_bytes())
    assert LanguageDetector(copy).detect("Guten Morgen, wie geht es dir?") == detector.detect(
        "Guten Morgen, wie geht es dir?"
    )


def test_candidates_are_as_many_as_asked(detector: LanguageDetector) -> None:
    """None for none."""
    assert len(detector.candidates("bonjour", 3)) == 3
    assert detector.candidates("bonjour", 0) == ()
