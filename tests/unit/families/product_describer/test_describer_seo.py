"""What a search engine shows."""

from __future__ import annotations

import pytest

from vitrina.families.product_describer import seo

LONG = "A classic lamp of brushed steel and smoked glass that gives a warm light to every room of the house. " * 3


@pytest.mark.parametrize("text", [LONG, "x" * 500, "<b>" * 100, "word " * 80])
@pytest.mark.parametrize("limit", [seo.TITLE, seo.META])
def test_what_is_cut_fits_and_holds_no_markup(text: str, limit: int) -> None:
    cut = seo.cut(text, limit)
    assert 0 < len(cut) <= limit
    assert not set('<>"') & set(cut)


def test_a_short_text_stays_whole_and_a_long_one_ends_with_a_whole_word() -> None:
    assert seo.cut("Oak & Tide table", 60) == "Oak & Tide table"
    assert seo.cut("one two three four", 12) == "one two…"


def test_the_title_takes_brand_and_unsaid_keywords_while_there_is_room() -> None:
    listing = seo.listing("Oak table", "Tide", "A table of oak.", ["dining", "oak"], "en")
    assert listing.title == "Oak table | Tide | dining"
    assert listing.keywords_used == ["oak"]
    assert listing.keywords_unused == ["dining"]
    assert seo.listing("x" * 59, "Tide", "A.", [], "en").title == "x" * 59


@pytest.mark.parametrize(
    ("word", "language", "count"),
    [
        ("casa", "es", 2),
        ("poesía", "es", 4),
        ("ciudad", "es", 2),
        ("teatro", "es", 3),
        ("table", "en", 2),
        ("made", "en", 1),
    ],
)
def test_syllables(word: str, language: str, count: int) -> None:
    assert seo.syllables(word, language) == count


def test_long_sentences_of_long_words_are_harder_to_read_in_both_languages() -> None:
    easy = seo.readability("It is red. You can sit on it.", "en")
    hard = seo.readability(
        "Extraordinarily sophisticated contemporary furniture necessitates considerable expenditure.", "en"
    )
    assert easy.score > 80 > 30 > hard.score
    assert easy.formula == "Flesch reading ease"
    spanish = seo.readability("Es una silla roja. Va bien en casa.", "es")
    assert spanish.formula == "Szigriszt-Pazos"
    assert (
        spanish.score
        > seo.readability("Extraordinariamente sofisticada y contemporáneamente revolucionaria.", "es").score
    )
    assert seo.readability("12 / 40", "en").formula == "none"
