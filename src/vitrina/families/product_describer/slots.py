"""Features as slots: which are copied, which are worded, and how they become the model's input and come back.

A copied slot stands in input and output as one placeholder token, `<copy:near>`; its value is put back afterwards, so
that a name nobody has seen is spelt right (delexicalisation, Wen et al., 2015; Dušek and Jurčíček, 2016).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product
from vitrina.errors import DataError

NAME, BRAND, CATEGORY = "name", "brand", "category"
OTHER = "<slot:other>"
MENTIONED = 0.5
FREQUENT = 20
CONSTANT = 0.99


class Contradiction(DataError):
    """Features of a product that cannot all be true, or say nothing."""


@dataclass(frozen=True)
class Slot:
    """What training showed of a slot.

    Attributes:
        kind: `copied` as a placeholder; `worded`, its value is read by the model; `context`, read but no fact that a
            description has to state (a title that descriptions do not repeat); `constant`: one
            value all over, not read.
        copies: a worded slot's rare and unknown values are copied.
        values: value → training rows that have it, of a worded slot.
    """

    kind: str
    copies: bool = False
    values: dict[str, int] = field(default_factory=dict)


Schema = dict[str, Slot]


def slots_of(product: Product) -> dict[str, str]:
    """The product's features by slot name, values with single spaces.

    Raises:
        Contradiction: when an attribute has no value, or two disagree under one name.
    """
    found: dict[str, str] = {}
    names: dict[str, str] = {}
    given = [(NAME, product.title), (BRAND, product.brand), (CATEGORY, product.category), *product.attributes.items()]
    for name, value in given:
        if value is None:
            continue
        name, value = " ".join(name.split()), " ".join(value.split())
        if not value or not name:
            raise Contradiction(f"The attribute '{name}' is empty: leave it out or give its value.")
        key = names.setdefault(name.lower(), name)
        if found.setdefault(key, value).lower() != value.lower():
            raise Contradiction(f"'{key}' is given twice, as '{found[key]}' and as '{value}'.")
    return found


def learn_schema(rows: Sequence[Mapping[str, str]], texts: Sequence[str], options: Any) -> Schema:
    """Decide for every slot how it is treated; the most frequent slots come first.

    Args:
        options: has `copy_share`, `copy_values` and `rare`.
    """
    counts = Counter(name for row in rows for name in row)
    schema: Schema = {}
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count < min(FREQUENT, len(rows) / 20):
            continue
        pairs = [(row[name], text) for row, text in zip(rows, texts, strict=True) if name in row]
        values = Counter(value for value, _ in pairs)
        share = sum(stands_in(value, text) for value, text in pairs) / count
        if len(values) == 1 and count >= CONSTANT * len(rows):
            schema[name] = Slot("constant")
        elif share >= options.copy_share and len(values) >= options.copy_values:
            schema[name] = Slot("copied", copies=True)
        elif name in (NAME, CATEGORY) and share < MENTIONED:
            schema[name] = Slot("context")
        else:
            common = {value: seen for value, seen in values.most_common() if seen >= options.rare}
            schema[name] = Slot("worded", share >= MENTIONED, common)
    return schema


@lru_cache(maxsize=20_000)
def _pattern(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.I)


def stands_in(value: str, text: str) -> bool:
    """Whether a value stands word for word in a text."""
    return _pattern(value).search(text) is not None


def copied(schema: Schema, slots: Mapping[str, str]) -> dict[str, str]:
    """The slots of a product that are copied, longest value first."""
    chosen = {
        name: value
        for name, value in slots.items()
        if name in schema and schema[name].copies and value not in schema[name].values
    }
    return dict(sorted(chosen.items(), key=lambda item: -len(item[1])))


def placeholder(name: str) -> str:
    """The token of a copied slot."""
    return f"<copy:{name}>"


def delexicalised(text: str, copies: Mapping[str, str]) -> str:
    """The text with the values of `copies` replaced by their placeholders."""
    for name, value in copies.items():
        text = _pattern(value).sub(placeholder(name).replace("\\", r"\\"), text)
    return text


def lexicalised(text: str, copies: Mapping[str, str]) -> str:
    """The text with values for placeholders; one that begins a sentence gets a capital."""
    if copies:
        names = "|".join(re.escape(placeholder(name)) for name in copies)
        values = {placeholder(name): value for name, value in copies.items()}
        text = re.sub(rf"(^|[.!?]\s+)?({names})", lambda found: _value(found[1], values[found[2]]), text)
    return " ".join(text.split())


def _value(before: str | None, value: str) -> str:
    """A value with what ends the sentence before it, if it begins one."""
    return value if before is None else before + value[:1].upper() + value[1:]


def special_tokens(schema: Schema) -> list[str]:
    """Every slot and placeholder token of a schema."""
    return [OTHER, *(f"<slot:{name}>" for name in schema), *(placeholder(n) for n, s in schema.items() if s.copies)]


def linearised(schema: Schema, slots: Mapping[str, str], controls: Iterable[str] = ()) -> str:
    """The model's input: control tokens, then slots in the schema's order; slots it does not know come last."""
    copies = copied(schema, slots)
    parts = list(controls)
    known = [name for name in schema if name in slots and schema[name].kind != "constant"]
    for name in (*known, *(name for name in slots if name not in schema)):
        value = placeholder(name) if name in copies else _plain(slots[name])
        parts.append(f"<slot:{name}> {value}" if name in schema else f"{OTHER} {_plain(name)} {value}")
    return " ".join(parts)


def _plain(text: str) -> str:
    """A caller's text that cannot be taken for one of the tokens."""
    return text.replace(PATH_SEPARATOR, ", ").replace("<", "‹").replace(">", "›")
