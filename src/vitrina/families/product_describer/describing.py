"""One product and what is asked of its description → the model's input, and candidates → the one to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitrina.contracts.product_description import DescriptionRequest
from vitrina.contracts.products import Product
from vitrina.errors import DataError
from vitrina.families.product_describer import controls, seo
from vitrina.families.product_describer.checker import Checker
from vitrina.families.product_describer.choosing import Candidate
from vitrina.families.product_describer.decoding import Hypothesis
from vitrina.families.product_describer.slots import Schema, copied, lexicalised, linearised, placeholder, slots_of
from vitrina.families.product_describer.tokens import Texts
from vitrina.text.language import detect_language

CONTROLS = ("length", "tone", "audience")


class UnknownLanguage(DataError):
    """The model does not write the language."""


@dataclass(frozen=True)
class Task:
    """A product as the model reads it.

    Attributes:
        slots: its features; `copies` those that are written as placeholders.
        banned: ids that its description may not hold.
        wanted: length, tone and audience that were asked for, by control; `bounds` of the lengths in words.
        unlearned: what was asked for and training did not show.
    """

    slots: dict[str, str]
    copies: dict[str, str]
    language: str
    ids: list[int]
    banned: np.ndarray
    wanted: dict[str, str]
    bounds: tuple[int, ...] = ()
    unlearned: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    def unmet(self, text: str) -> tuple[str, ...]:
        """Controls that a text does not show, and keywords that it does not hold."""
        missed = [name for name, value in self.wanted.items() if not controls.shows(text, name, value, self.bounds)]
        return (*missed, *(word for word in self.keywords if not seo.holds(text, word)))


class Reader:
    """Turns requests into tasks, by what training learned."""

    def __init__(self, schema: Schema, learnt: dict[str, Any], texts: Texts, max_source: int) -> None:
        self.schema, self.learnt, self.texts, self.max_source = schema, learnt, texts, max_source

    def task(self, request: DescriptionRequest) -> Task:
        """Read a request.

        Raises:
            Contradiction: for features that contradict each other. UnknownLanguage: for one that was not learned.
        """
        product = Product(request.title, brand=request.brand, category=request.category, attributes=request.attributes)
        slots = slots_of(product)
        language = self._language(request)
        band = request.price_band or controls.price_band(request.price, request.currency, self.learnt["price_bounds"])
        tokens = fixed_tokens(language, band, self.learnt)
        wanted = {name: value for name in CONTROLS if (value := getattr(request, name)) is not None}
        unlearned = [name for name, value in wanted.items() if name != "length" and value not in self.learnt[name]]
        tokens += [f"<{name}:{value}>" for name, value in wanted.items() if name not in unlearned]
        unlearned += ["price_band"] if request.price_band and not self.learnt["price_bounds"] else []
        tokens += [f"<keyword> {' '.join(word.lower().split())}" for word in request.keywords]
        copies = copied(self.schema, slots)
        source = self.texts.encode([linearised(self.schema, slots, tokens)], self.max_source)[0]
        allowed = {self.texts.placeholders[placeholder(name)] for name in copies}
        banned = [i for i in self.texts.placeholders.values() if i not in allowed]
        return Task(
            slots,
            copies,
            language,
            source,
            np.array([*banned, *self.texts.unwritten], dtype=np.int64),
            wanted,
            tuple(self.learnt["length_bounds"]),
            tuple(unlearned),
            tuple(request.keywords),
        )

    def _language(self, request: DescriptionRequest) -> str:
        known = self.learnt["languages"]
        if request.language:
            code = request.language.lower().split("-")[0]
            if known and code not in known:
                raise UnknownLanguage(f"The model writes {', '.join(known)}, not '{request.language}'.")
            return code
        if len(known) == 1:
            return known[0]
        words_of = " ".join([request.title, *request.attributes.values()])
        detected = detect_language(words_of)
        return detected if detected in known or not known else known[0]


def fixed_tokens(language: str, band: str | None, learnt: dict[str, Any]) -> list[str]:
    """Tokens that every row shows: the language where the model knows several, the price band where it is known."""
    tokens = [f"<lang:{language}>"] if len(learnt["languages"]) > 1 and language else []
    return tokens + ([f"<price:{band}>"] if band and learnt["price_bounds"] else [])


def ranked(task: Task, found: Sequence[Hypothesis], texts: Texts, checker: Checker) -> list[Candidate]:
    """The distinct texts of `found`, best first; see `choosing`."""
    candidates: dict[str, Candidate] = {}
    for each in sorted(found, key=lambda one: -one.score):
        text = lexicalised(texts.decode(each.ids), task.copies)
        if text and text not in candidates:
            mean, check = each.logprob / (len(each.ids) + 1), checker.check(text, task.slots)
            candidates[text] = Candidate(text, mean, each.score, check, task.unmet(text))
    return sorted(candidates.values(), key=lambda candidate: candidate.rank)
