"""What the embedder learns from: queries, views of products, and which product answers which query."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from vitrina.contracts.products import Product
from vitrina.families.layers.prices import Currencies, price_features
from vitrina.families.product_embedder.configuration import Options
from vitrina.families.product_embedder.features import category_features, text_of
from vitrina.families.product_embedder.queries import attribute_query, damaged, facets
from vitrina.text.ngrams import NgramHasher

DESCRIBED = 0.2
"""Share of the title queries that are replaced by words of the description, where there is one."""

WORDS_OF_DESCRIPTION = 12
NO_MATCH = -1
"""In place of the product that asks: the row's query is made of the product itself."""

Accepts = Callable[[int], bool | None]
_ANSWERS = {True: 1, False: -1, None: 0}


@dataclass(frozen=True)
class Pair:
    """A query and a product that answers it.

    Attributes:
        product: the product as it is shown to the model, some of it left out.
        number: which product it is.
        accepts: whether the query is answered by the product of a number; None: that is not known.
    """

    query: Product
    product: Product
    number: int
    accepts: Accepts


class TrainingPairs:
    """A map-style dataset; row i is a fresh pair of product i and one of a product easily taken for it.

    Args:
        products: the training products.
        similar: for every product, the numbers of those easily taken for it; may be empty.
        judged: two products and whether people found them to be the same; matches are learnt in both directions, the
            others are taken for one another before `similar` ones.
    """

    def __init__(
        self,
        products: Sequence[Product],
        similar: Sequence[Sequence[int] | np.ndarray],
        judged: Sequence[tuple[int, int, bool]],
        options: Options,
    ) -> None:
        self.products, self.similar, self.options = products, similar, options
        self.names = facets(products)
        self.titles = [" ".join(product.title.lower().split()) for product in products]
        self.words = [frozenset(title.split()) for title in self.titles]
        self.same: dict[int, set[int]] = {}
        self.other: dict[int, set[int]] = {}
        for left, right, match in judged:
            for one, two in ((left, right), (right, left)):
                (self.same if match else self.other).setdefault(one, set()).add(two)
        own = [(number, NO_MATCH) for number in range(len(products))]
        asked = [(right, left) for left, found in sorted(self.same.items()) for right in sorted(found)]
        # People's judgements are rare and worth most: they are repeated until they are about half of the rows.
        self.rows = own + asked * max(1, round(len(own) / max(len(asked), 1)))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> list[Pair]:
        number, source = self.rows[index]
        rng = random.Random(random.getrandbits(64))  # the engine seeds `random` for every batch
        pairs = [self._pair(number, rng) if source == NO_MATCH else self._match(number, source, rng)]
        taken_for = sorted(self.other.get(source if source != NO_MATCH else number, ())) or self.similar[number]
        if len(taken_for):
            pairs.append(self._pair(int(rng.choice(taken_for)), rng))
        return pairs

    def _pair(self, number: int, rng: random.Random) -> Pair:
        product = self.products[number]
        shown = thinned(product, rng, self.options.missing)
        if rng.random() < self.options.attribute_queries:
            query = attribute_query(product, self.names, rng)
            if query is not None:
                accepts = query.accepts
                return Pair(Product(query.text), shown, number, lambda other: accepts(self.products[other]))
        if product.description and rng.random() < DESCRIBED:
            shown = msgspec.structs.replace(shown, description=None)
            return Pair(Product(_excerpt(product.description, rng)), shown, number, self._like(number))
        text = damaged(product.title, rng, rng.uniform(0, 0.5), rng.choice((0, 1, 1, 2))) or product.title
        return Pair(Product(text), shown, number, self._like(number, frozenset(text.lower().split())))

    def _match(self, number: int, source: int, rng: random.Random) -> Pair:
        query = thinned(self.products[source], rng, self.options.missing / 2)
        shown = thinned(self.products[number], rng, self.options.missing / 2)
        return Pair(query, shown, number, self._like(source))

    def _like(self, source: int, words: frozenset[str] | None = None) -> Accepts:
        """The product itself, equal titles and matches are right; titles that hold all of `words` may be."""

        def accepts(other: int) -> bool | None:
            if self.titles[other] == self.titles[source] or other in self.same.get(source, ()):
                return True
            return None if words is not None and words <= self.words[other] else False

        return accepts


class EvaluationPairs:
    """Fixed queries and products side by side, so that one pass gives the vectors of all: the shorter list repeats."""

    def __init__(self, products: Sequence[Product], queries: Sequence[Product], relevant: Sequence[set[int]]) -> None:
        self.products, self.queries, self.relevant = products, queries, relevant

    def __len__(self) -> int:
        return max(len(self.products), len(self.queries))

    def __getitem__(self, index: int) -> list[Pair]:
        query, number = index % len(self.queries), index % len(self.products)
        return [Pair(self.queries[query], self.products[number], number, lambda other: other in self.relevant[query])]


def thinned(product: Product, rng: random.Random, missing: float) -> Product:
    """The product without some of what is known of it: half of the share `missing` keeps the title alone."""
    if rng.random() < missing / 2:
        return Product(product.title)
    left_out: dict[str, Any] = {
        name: None for name in ("description", "brand", "category", "price") if rng.random() < missing / 2
    }
    kept = {name: value for name, value in product.attributes.items() if rng.random() >= missing / 2}
    return msgspec.structs.replace(product, **left_out, attributes=kept)


def _excerpt(description: str, rng: random.Random) -> str:
    words = description.split()
    start = rng.randrange(max(1, len(words) - WORDS_OF_DESCRIPTION + 1))
    return " ".join(words[start : start + WORDS_OF_DESCRIPTION])


class Features:
    """Products → the inputs of the model as arrays; needs the tokenizer of the encoder."""

    def __init__(self, tokenizer: Any, hasher: NgramHasher, currencies: Currencies, options: Options) -> None:
        self.tokenizer, self.hasher, self.currencies, self.options = tokenizer, hasher, currencies, options

    def __call__(self, products: Sequence[Product]) -> dict[str, Any]:
        import torch

        texts = [text_of(product) for product in products]
        tokens = self.tokenizer(
            texts, truncation=True, max_length=self.options.max_length, padding=True, return_tensors="pt"
        )
        return {
            "input_ids": tokens["input_ids"],
            "attention_mask": tokens["attention_mask"],
            "ngram_ids": torch.from_numpy(self.hasher.batch(texts)),
            "price": torch.from_numpy(price_features(products, self.currencies)),
            "category_ids": torch.from_numpy(category_features(products, self.options.category_buckets)),
        }


class Collator:
    """Rows of pairs → one batch: queries first, then their products, and who answers whom."""

    def __init__(self, features: Features) -> None:
        self.features = features

    def __call__(self, rows: list[list[Pair]]) -> dict[str, Any]:
        import torch

        pairs = [pair for row in rows for pair in row]
        batch: dict[str, Any] = dict(self.features([*(p.query for p in pairs), *(p.product for p in pairs)]))
        numbers = [pair.number for pair in pairs]
        labels = [[_ANSWERS[pair.accepts(number)] for number in numbers] for pair in pairs]
        batch["labels"] = torch.tensor(labels, dtype=torch.int8)
        return batch


def settings_of(options: Options, currencies: Currencies, labels: Sequence[str]) -> Mapping[str, Any]:
    """The content of `labels.json`: what serving must know besides the weights."""
    return {
        "labels": list(labels),
        "dimensions": list(options.dimensions),
        "max_length": options.max_length,
        "ngrams": {"buckets": options.lexical_buckets, "limit": options.lexical_limit},
        "category_buckets": options.category_buckets,
        "currencies": {name: list(values) for name, values in currencies.items()},
    }
