"""Product → prompt, and which words of a prompt the training prompts had; standard library only."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from vitrina.contracts.catalogue import PATH_SEPARATOR

_WORD = re.compile(r"[^\W\d_]+")


def prompt_of(title: str, category: str | None, attributes: Mapping[str, Any] | None) -> str:
    """Title, last level of the category and the attributes' values, each said once."""
    parts = [title.strip()]
    if category:
        parts.append(category.split(PATH_SEPARATOR)[-1].strip())
    parts += [str(value) for value in (attributes or {}).values() if value]
    said: list[str] = []
    for part in parts:
        if part.lower() not in " ".join(said).lower():
            said.append(part)
    return ", ".join(said)


def words_of(prompt: str) -> list[str]:
    """Lower-case words."""
    return _WORD.findall(prompt.lower())


def understood(prompt: str, known: Collection[str] | None) -> float:
    """Share of the prompt's words that training saw; 1 where the text encoder came pretrained (`known` None)."""
    words = words_of(prompt)
    if known is None:
        return 1.0
    return sum(word in known for word in words) / len(words) if words else 0.0
