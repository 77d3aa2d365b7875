"""Which attributes a text leaves out or makes up, as a catalogue's own descriptions teach it.

Two readings, both learned in seconds from all products with a description. The product describer's checker weighs all
phrases of a text together: it knows that "vidrio" says `material: glass`. Signs are single phrases that stand in texts
of one value and hardly in others: they find a "porcelain" that is said of a scarf, which the checker, used to vases,
takes for a word about something else. What either finds is reported.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vitrina.contracts.products import Product
from vitrina.errors import DataError
from vitrina.families.product_describer.checker import Checker, learn_evidence, phrases
from vitrina.families.product_describer.configuration import Options
from vitrina.families.product_describer.slots import copied, delexicalised, learn_schema, slots_of
from vitrina.llm.prompts.variables import ProductFacts

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 500
"""Products with a description; fewer teach next to nothing."""
MOST = 20_000
"""Products that are learned from; more add seconds and hardly any phrase."""
SEEN, CERTAIN, USUAL = 8, 0.97, 0.5
"""A sign stands in so many texts, in that share of them with one value, and the value is rarer than `USUAL`."""

Signs = dict[str, dict[str, str]]
"""Attribute → phrase → the value that it says."""


class LearnedKnowledge:
    """See `checks.Knowledge`."""

    def __init__(self, checker: Checker, signs: Signs) -> None:
        self._checker, self._signs = checker, signs

    @classmethod
    def of(cls, catalogue: pd.DataFrame) -> LearnedKnowledge:
        """Learn from a canonical catalogue table.

        Raises:
            DataError: fewer than `FEWEST` products with a description and features.
        """
        from vitrina.families.layers.products import products_of

        described = catalogue[catalogue["description"].fillna("").str.strip() != ""].head(MOST)
        products, rows = [], []
        for product in products_of(described):
            try:
                rows.append(slots_of(product))
            except DataError:  # features that contradict one another teach nothing
                continue
            products.append(product)
        texts = [product.description or "" for product in products]
        schema = learn_schema(rows, texts, Options()) if len(rows) >= FEWEST else {}
        if not schema:
            raise DataError(
                f"{len(rows):,} products have a description and features; {FEWEST} are needed to learn how attributes "
                "are put into words."
            )
        plain = [delexicalised(text, copied(schema, row)) for row, text in zip(rows, texts, strict=True)]
        signs = learn_signs([product.attributes for product in products], texts)
        return cls(Checker(schema, learn_evidence(schema, rows, plain)), signs)

    def compared(self, product: ProductFacts, text: str) -> tuple[list[str], list[str]]:
        """Names of the attributes that a text leaves out, and `name: value` of what it makes up."""
        facts = Product(
            title=product.title, brand=product.brand, category=product.category, attributes=dict(product.attributes)
        )
        try:
            check, said = self._checker.check(text, slots_of(facts)), self._checker.said(text)
        except DataError:  # its features contradict one another
            return [], []
        shown = self._shown(product, text)
        missing = [
            name
            for name in check.missing
            if name in product.attributes and product.attributes[name] not in shown.get(name, {})
        ]
        invented = {name: said.get(name, "") for name in check.invented}
        for name, values in shown.items():
            if product.attributes.get(name) not in values:
                invented[name] = next(iter(values))
        return missing, [f"{name}: {value}" if value else name for name, value in invented.items()]

    def _shown(self, product: ProductFacts, text: str) -> dict[str, dict[str, None]]:
        """The values of each attribute that the signs in a text say; the product's own words say nothing new."""
        own = set(phrases(" . ".join([product.title, product.brand or "", product.category or ""])))
        found = [phrase for phrase in phrases(text) if phrase not in own]
        shown: dict[str, dict[str, None]] = {}
        for name, signs in self._signs.items():
            if values := {signs[phrase]: None for phrase in found if phrase in signs}:
                shown[name] = values
        return shown


def learn_signs(attributes: Sequence[Mapping[str, str]], texts: Sequence[str]) -> Signs:
    """The phrases that say a value of an attribute, from the attributes of each text."""
    read = [phrases(text) for text in texts]
    frequent = {phrase for phrase, count in Counter(p for each in read for p in each).items() if count >= SEEN}
    together: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for own, found in zip(attributes, read, strict=True):
        for name, value in own.items():
            totals[name][value] += 1
            for phrase in frequent.intersection(found):
                together[name][phrase][value] += 1
    return {
        name: {
            phrase: value
            for phrase, values in counts.items()
            for value, count in values.most_common(1)
            if count >= max(SEEN, CERTAIN * values.total()) and totals[name][value] < USUAL * totals[name].total()
        }
        for name, counts in together.items()
    }
