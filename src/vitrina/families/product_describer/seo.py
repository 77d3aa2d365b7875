"""What a search engine shows of a product: title, meta description, keywords, and how easily the text is read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitrina.contracts.escaping import escaped
from vitrina.contracts.product_description import Readability, SearchListing

TITLE, META = 60, 155
ELLIPSIS = "…"
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)")
_VOWELS = {"es": re.compile(r"[aeiouáéíóúüy]+", re.I), "en": re.compile(r"[aeiouy]+", re.I)}
_HIATUS = re.compile(r"[aeoáéó](?=[aeoáéó])|[íú](?=[aeo])|[aeo](?=[íú])", re.I)


def cut(text: str, limit: int) -> str:
    """The text, escaped, in at most `limit` characters: whole words, an ellipsis where some were left out."""
    if len(escaped(text)) <= limit:
        return escaped(text)
    words = text.split()
    while words:
        words.pop()
        shorter = escaped(" ".join(words).rstrip(" ,;:.-"))
        if shorter and len(shorter) < limit:
            return shorter + ELLIPSIS
    whole = text
    while len(escaped(whole)) >= limit:  # one endless word
        whole = whole[:-1]
    return escaped(whole) + ELLIPSIS


def listing(title: str, brand: str | None, text: str, keywords: Sequence[str], language: str) -> SearchListing:
    """The listing of a product; the title takes the brand and unsaid keywords along while there is room."""
    used = [word for word in keywords if holds(text, word)]
    return SearchListing(
        title=_title(title, brand, keywords),
        meta_description=cut(text, META),
        keywords_used=[escaped(word) for word in used],
        keywords_unused=[escaped(word) for word in keywords if word not in used],
        readability=readability(text, language),
    )


def _title(title: str, brand: str | None, keywords: Sequence[str]) -> str:
    whole = title
    for extra in (brand, *keywords):
        longer = f"{whole} | {extra}"
        if extra and not holds(whole, extra) and len(escaped(longer)) <= TITLE:
            whole = longer
    return cut(whole, TITLE)


def holds(text: str, keyword: str) -> bool:
    """Whether a keyword stands in a text as whole words, whatever their case."""
    return re.search(rf"(?<!\w){re.escape(keyword.strip())}(?!\w)", text, re.I) is not None


def syllables(word: str, language: str) -> int:
    """Vowel groups: in Spanish parted at strong vowels, in English without a silent final e."""
    word = word.lower()
    if language.startswith("es"):
        return max(1, len(_VOWELS["es"].findall(word)) + len(_HIATUS.findall(word)))
    count = len(_VOWELS["en"].findall(word))
    silent = word.endswith("e") and not word.endswith(("le", "ee")) and count > 1
    return max(1, count - silent)


def readability(text: str, language: str) -> Readability:
    """Flesch's reading ease (1948) for English, Szigriszt-Pazos's perspicuity (INFLESZ, 1993) for Spanish.

    English: 206.835 − 1.015 · words/sentence − 84.6 · syllables/word; Spanish: 206.835 − words/sentence − 62.3 ·
    syllables/word.
    """
    words = _WORD.findall(text)
    sentences = max(1, len([part for part in _SENTENCE.split(text) if part.strip()]))
    if not words:
        return Readability(0.0, "none")
    pace, weight = len(words) / sentences, sum(syllables(word, language) for word in words) / len(words)
    if language.startswith("es"):
        return Readability(round(206.835 - pace - 62.3 * weight, 1), "Szigriszt-Pazos")
    return Readability(round(206.835 - 1.015 * pace - 84.6 * weight, 1), "Flesch reading ease")
