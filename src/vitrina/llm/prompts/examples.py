"""Few-shot examples from the shop's own catalogue: products like the one asked for, with the descriptions they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vitrina.contracts.catalogue import PATH_SEPARATOR, category_path
from vitrina.contracts.columns import UNDETERMINED
from vitrina.contracts.products import Product
from vitrina.llm.prompts.tasks import Example, task
from vitrina.llm.prompts.variables import DescribeAnswer, DescribeInputs, ProductFacts
from vitrina.search.lexical import Lexicon, bm25, postings
from vitrina.text.language import detect_language

if TYPE_CHECKING:
    import pandas as pd

WORDS = (10, 120)
"""Length of a description that may be an example: longer ones cost more tokens than they teach."""
MOST = 50_000
"""Products that examples are chosen from."""


class ExampleBook:
    """Described products to choose from. Choosing is deterministic and takes milliseconds."""

    def __init__(self, products: Sequence[Product]) -> None:
        """Products whose descriptions are too short, too long or fail a check are left out."""
        kept = [(product, example) for product in products[:MOST] if (example := _example(product))]
        self._products = [product for product, _ in kept]
        self._examples = [example for _, example in kept]
        self._paths = [_path(product.category) for product in self._products]
        self._lexicon = Lexicon.of([postings([_text(each) for each in self._products])], len(kept))

    @classmethod
    def of(cls, catalogue: pd.DataFrame) -> ExampleBook:
        """Those of a canonical catalogue table."""
        from vitrina.families.layers.products import products_of

        return cls(products_of(catalogue))

    def __len__(self) -> int:
        return len(self._examples)

    def like(self, product: ProductFacts, language: str, count: int = 2) -> list[Example]:
        """Up to `count` examples in a language, the likest last: what stands nearest to the question weighs most.

        Products that share more of the category path come first, then those whose words are likest (BM25). The product
        itself, by id or title, is never among them, and no title twice.
        """
        if not self._examples or count < 1:
            return []
        [scores] = bm25(_text(product), [self._lexicon])
        own = _path(product.category)
        near = np.array([_shared(own, path) for path in self._paths])
        chosen: dict[str, Example] = {}
        for row in np.lexsort((np.arange(len(scores)), -scores, -near)):
            example, title = self._examples[row], self._products[row].title.casefold()
            known_by_id = product.product_id is not None and self._products[row].product_id == product.product_id
            if example.inputs.language != language or known_by_id or title in (*chosen, product.title.casefold()):
                continue
            chosen[title] = example
            if len(chosen) == count:
                break
        return list(chosen.values())[::-1]


def _example(product: Product) -> Example | None:
    text = " ".join((product.description or "").split())
    if not WORDS[0] <= len(text.split()) <= WORDS[1] or not product.title.strip():
        return None
    facts = ProductFacts.model_construct(
        title=product.title.strip(),
        brand=product.brand,
        category=product.category,
        price=product.price,
        currency=product.currency,
        attributes=dict(product.attributes),
    )
    stated = product.language if product.language not in (None, UNDETERMINED) else detect_language(text)
    if stated not in ("es", "en"):
        return None
    inputs = DescribeInputs.model_construct(language=stated, product=facts)  # type: ignore[arg-type]
    answer = DescribeAnswer.model_construct(title=product.title.strip()[:200], description=text)
    found = task("describe").check(inputs, answer)
    return None if any(each.severity == "error" for each in found) else Example(inputs, answer)


def _text(product: Product | ProductFacts) -> str:
    """What products are compared by: what they are, not how they are described."""
    return " ".join([product.title, product.brand or "", product.category or "", *product.attributes.values()])


def _path(category: str | None) -> list[str]:
    return category_path(category).split(PATH_SEPARATOR) if category else []


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Levels that two category paths have in common, from the top."""
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared
