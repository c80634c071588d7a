"""Which script carries a text, and how much language is in it."""

import pytest

from language_id.scripts import Script, carrier, is_written_in, only_script, units, writing


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("the sum is even", Script.LATIN),
        ("η σύνθεση θ είναι", Script.GREEK),
        ("the angle θ between α and β", Script.LATIN),
        ("сумма чисел по Cauchy-Schwarz", Script.CYRILLIC),
        ("我们使用 dynamic programming 来解决这个问题", Script.CJK),
        ("the Chinese word 你好 simply means hello to everyone", Script.LATIN),
        ("합은 짝수입니다", Script.HANGUL),
        ("مجموع الأعداد زوجي", Script.ARABIC),
        ("ผลรวมเป็นจำนวนคู่", Script.OTHER),
        ("42 + 1 = 43 🙂", None),
    ],
)
def test_a_text_is_carried_by_the_script_of_its_sentences(text: str, script: Script | None) -> None:
    """Latin terms do not make Chinese Latin, a quoted word does not make English Chinese, a variable no Greek."""
    assert carrier(text) is script


@pytest.mark.parametrize(
    "text",
    [
        "max_value",
        "x1 + x2",
        "f(x)",
        "ValueError",
        "src/main.py",
        "https://a.b/c",
        "--verbose",
        "HTTP n",
        "n = k",
        "3.14",
    ],
)
def test_identifiers_numbers_and_variables_are_no_language(text: str) -> None:
    """They are the same in every language."""
    assert writing(text).units <= 1


def test_words_of_one_letter_are_kept_where_they_are_words() -> None:
    """They tell neighbours apart: Italian `e` and Spanish `y`, Russian `и` and Ukrainian `і`."""
    assert writing("tú y yo; l'uomo è a casa; x, n").words == "tú y yo l'uomo è a casa"


@pytest.mark.parametrize(
    ("text", "count"), [("even", 4), ("四", 3), ("짝수", 4), ("чётно", 5), ("x", 0), ("", 0), ("even 四", 7)]
)
def test_a_character_counts_for_the_letters_it_stands_for(text: str, count: int) -> None:
    """So that one threshold serves every script."""
    assert units(text) == count


def test_a_text_is_of_one_script_when_the_rest_is_negligible() -> None:
    """A name in another script does not make a page a mixture."""
    page = "Сумма всех этих чисел чётна. " * 20
    assert only_script(page + "Euler") is Script.CYRILLIC
    assert only_script(page + "The sum of all these numbers is even. " * 10) is None


def test_a_language_is_expected_in_its_own_scripts_only() -> None:
    """Serbian has two; romanised Chinese is not expected."""
    assert is_written_in("sr", Script.LATIN)
    assert is_written_in("sr", Script.CYRILLIC)
    assert is_written_in("fr", Script.LATIN)
    assert not is_written_in("fr", Script.CYRILLIC)
    assert not is_written_in("zh", Script.LATIN)
