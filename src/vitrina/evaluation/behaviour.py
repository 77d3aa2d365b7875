"""Behavioural checks (Ribeiro et al., 2020, CheckList): edits that must not change the answer.

Each check is a named edit of a text. `invariance` says how often the label stays, on texts the model got right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from vitrina.text.augmentation import swap_typo

Edit = Callable[[str, random.Random], str]

POLITE = {
    "en": ("please, {}", "hi! {}", "{} please", "{}, thanks", "hello, {}"),
    "es": ("por favor, {}", "hola, {}", "{} por favor", "{}, gracias", "buenas, {}"),
}


def upper_case(text: str, rng: random.Random) -> str:
    """Shout."""
    return text.upper()


def polite(language: str) -> Edit:
    """An edit that adds a courtesy in the given language."""
    frames = POLITE.get(language, POLITE["en"])

    def edit(text: str, rng: random.Random) -> str:
        return rng.choice(frames).format(text)

    return edit


def punctuation(text: str, rng: random.Random) -> str:
    """End differently."""
    return text.rstrip(" ?.!") + rng.choice(["!", "?", "...", " ."])


def invariance(
    predict: Callable[[list[str]], list[str]],
    texts: Sequence[str],
    languages: Sequence[str],
    *,
    cases: int = 300,
    seed: int = 7,
) -> list[dict[str, Any]]:
    """Run every check on up to `cases` of the texts.

    Args:
        predict: texts → labels.
        texts: texts that the model labels correctly.
        languages: one code per text; chooses the courtesies.

    Returns:
        One mapping per check: `check`, `cases`, `passed`, `rate` (0–1), `failures` (up to five samples).
    """
    rng = random.Random(seed)
    chosen = rng.sample(range(len(texts)), min(cases, len(texts)))
    originals = [texts[i] for i in chosen]
    before = predict(originals)
    results = []
    for name in ("typo", "case", "politeness", "punctuation"):
        edits = [_edit(name, languages[i]) for i in chosen]
        changed = [edit(text, rng) for edit, text in zip(edits, originals, strict=True)]
        results.append(compared(name, originals, changed, before, predict(changed)))
    return results


def _edit(name: str, language: str) -> Edit:
    return {
        "typo": swap_typo,
        "case": upper_case,
        "politeness": polite(language),
        "punctuation": punctuation,
    }[name]


def compared(
    name: str, originals: list[str], changed: list[str], before: list[str], after: list[str]
) -> dict[str, Any]:
    """The outcome of one check: an edit of `originals` to `changed` turned the labels `before` into those `after`."""
    flips = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    passed = len(originals) - len(flips)
    return {
        "check": name,
        "cases": len(originals),
        "passed": passed,
        "rate": passed / len(originals) if originals else 1.0,
        "failures": [{"text": changed[i], "expected": before[i], "got": after[i]} for i in flips[:5]],
    }
