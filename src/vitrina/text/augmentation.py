"""Altered copies of a text: for distillation, for robustness and for behavioural checks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any


def swap_typo(text: str, rng: random.Random) -> str:
    """Swap two neighbouring letters inside one of the longer words; a text without one is returned as it is."""
    words = text.split(" ")
    longer = [i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not longer:
        return text
    chosen = rng.choice(longer)
    word, at = words[chosen], rng.randrange(1, len(words[chosen]) - 2)
    words[chosen] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def altered(text: str, rng: random.Random, vocabulary: Sequence[str]) -> str:
    """A noisy copy: words dropped (10%), replaced from `vocabulary` (12%), swapped or misspelt; never empty."""
    words = [word for word in text.split() if rng.random() > 0.1] or text.split()
    words = [rng.choice(vocabulary) if rng.random() < 0.12 else word for word in words]
    if len(words) > 2 and rng.random() < 0.3:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    copy = " ".join(words)
    return swap_typo(copy, rng) if rng.random() < 0.2 else copy


def damaged(text: str, rng: Any, drop: float = 0.1) -> str:
    """A copy that still means the same product: words dropped, or two neighbours swapped, or a word misspelt.

    Args:
        rng: a `random.Random`, or the module `random` itself.
        drop: share of the words that a copy with dropped words loses; one always stays.
    """
    words = text.split()
    kind = rng.randrange(3)
    if kind == 0:
        words = [word for word in words if rng.random() >= drop] or words[:1]
    elif kind == 1 and len(words) > 1:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    copy = " ".join(words)
    return swap_typo(copy, rng) if kind == 2 else copy


def shuffled(text: str, rng: random.Random) -> str:
    """The same words in another order."""
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)
