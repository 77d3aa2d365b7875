"""Text from templates: `[a|b]` is a choice (nestable), `{name}` a slot, `%` a digit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
DIGIT = re.compile("%")


@cache
def vocabulary(name: str) -> Any:
    """The content of `vocabulary/<name>.yaml`; shared, so it must not be changed."""
    path = Path(__file__).parent / "vocabulary" / f"{name}.yaml"
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def expand(template: str, slots: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:
    """One random text of `template`; a slot's values may hold choices, slots and digits themselves."""
    text = template
    while CHOICE.search(text) or SLOT.search(text):
        text = CHOICE.sub(lambda found: pick(found.group(1).split("|"), rng), text)
        text = SLOT.sub(lambda found: pick(slots[found.group(1)], rng), text)
    return DIGIT.sub(lambda _: str(rng.integers(10)), text)


def pick(values: Sequence[str], rng: np.random.Generator) -> str:
    """One of `values`, all equally likely."""
    return values[int(rng.integers(len(values)))]
