"""What a caller may ask of a description's manner, and how a training description is read for it.

Each control is a token in front of the features. Training derives it from the description itself, by the markers below,
and shows it on a share of the rows only, so that a request without controls is answered by the plain model. A value
that too few training descriptions show is not learned: the answer says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LENGTHS = ("short", "medium", "long")
BANDS = ("low", "middle", "high")
NEUTRAL = "neutral"

TONES = {
    "enthusiastic": re.compile(
        r"!|\b(?:best|amazing|perfect|wonderful|fantastic|great|excellent|delicious|favourite|love\w*|"
        r"mejor|perfect[oa]|maravillos[oa]|fant[aá]stic[oa]|excelente|ideal|favorit[oa]s?)\b",
        re.I,
    ),
    "friendly": re.compile(r"\b(?:you|your|you'll|tu|tus|te|ti|brings you)\b", re.I),
    "formal": re.compile(r"\b(?:usted|ustedes|su disposición|is situated|is located|se ubica|features|offers)\b", re.I),
}
"""The first tone whose marker stands in a text; a text without markers is neutral."""

AUDIENCES = {
    "children": re.compile(r"\b(?:kids?|child(?:ren)?|niñ[oa]s?|infantil(?:es)?)\b", re.I),
    "families": re.compile(r"\b(?:famil(?:y|ies)|familias?|familiar(?:es)?)\b", re.I),
    "adults": re.compile(r"\b(?:adults?|adult[oa]s)\b", re.I),
    "women": re.compile(r"\b(?:women|woman|ladies|mujer(?:es)?)\b", re.I),
    "men": re.compile(r"\b(?:men|man|hombres?|caballeros?)\b", re.I),
    "professionals": re.compile(r"\b(?:professionals?|profesional(?:es)?)\b", re.I),
}
LEARNED = 50
"""Training texts that must show a value of a control for it to count as learned."""

STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "have",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "that",
        "the",
        "they",
        "this",
        "to",
        "was",
        "were",
        "will",
        "with",
        "you",
        "your",
        "not",
        "no",
        "near",
        "very",
        "there",
        "their",
        "which",
        "who",
        "al",
        "con",
        "de",
        "del",
        "el",
        "ella",
        "en",
        "es",
        "esta",
        "este",
        "la",
        "las",
        "lo",
        "los",
        "más",
        "no",
        "o",
        "para",
        "por",
        "que",
        "se",
        "su",
        "sus",
        "un",
        "una",
        "y",
    ]
)
WORD = re.compile(r"[^\W\d_]{3,}(?:-[^\W\d_]+)*")


def tone_of(text: str) -> str:
    """The tone that the markers of a text show."""
    return next((name for name, marker in TONES.items() if marker.search(text)), NEUTRAL)


def audience_of(text: str) -> str | None:
    """The audience that a text names, if any."""
    return next((name for name, marker in AUDIENCES.items() if marker.search(text)), None)


def length_bounds(texts: Sequence[str]) -> list[int]:
    """Words up to which a description is short, and up to which it is medium: thirds of the training texts."""
    return [int(bound) for bound in np.quantile([len(text.split()) for text in texts], [1 / 3, 2 / 3])]


def length_of(text: str, bounds: Sequence[int]) -> str:
    """The third a text's length falls into."""
    return LENGTHS[int(np.searchsorted(bounds, len(text.split())))]


def price_bounds(prices: Sequence[float], currencies: Sequence[str]) -> dict[str, list[float]]:
    """Currency → upper ends of the low and the middle band: thirds of the training prices."""
    known = [(price, name) for price, name in zip(prices, currencies, strict=True) if price > 0]
    names = {name for _, name in known}
    return {
        name: [float(bound) for bound in np.quantile([p for p, own in known if own == name], [1 / 3, 2 / 3])]
        for name in sorted(names)
    }


def price_band(price: float | None, currency: str | None, bounds: Mapping[str, Sequence[float]]) -> str | None:
    """The band of a price; None where there is no price, or none of its currency was in training."""
    if not price or (currency or "") not in bounds:
        return None
    return BANDS[int(np.searchsorted(bounds[currency or ""], price))]


def content_words(text: str) -> list[str]:
    """Distinct words of a text that could be keywords, in lower case, in order."""
    return list(dict.fromkeys(word for word in WORD.findall(text.lower()) if word not in STOP))


def shows(text: str, name: str, value: str, bounds: Sequence[int]) -> bool:
    """Whether a text is of the asked-for length, tone or audience, by the reading that training uses."""
    found = {"length": length_of(text, bounds), "tone": tone_of(text), "audience": audience_of(text)}
    return found[name] == value


def seen(texts: Sequence[str]) -> dict[str, Any]:
    """Control → the values that enough training texts show."""
    tones, audiences = Counter(map(tone_of, texts)), Counter(filter(None, map(audience_of, texts)))
    return {
        "tone": sorted(name for name, count in tones.items() if count >= LEARNED),
        "audience": sorted(name for name, count in audiences.items() if count >= LEARNED),
    }
