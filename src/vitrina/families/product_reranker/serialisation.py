"""A product as one side of a cross-encoder's input."""

from __future__ import annotations

from vitrina.families.product_reranker.reading import Idf, Reading, words

SEPARATOR = " | "


def side(reading: Reading, idf: Idf, description_words: int) -> str:
    """Title | brand | attributes | price | description, each only where it is known and adds something.

    Of a description the rarest words that title, brand and attributes do not have are kept, in their order: both sides
    stay short enough to be read whole (the TF-IDF summary of Ditto, Li et al., 2020).
    """
    product = reading.product
    parts = [reading.title]
    if reading.brand and reading.brand not in reading.title:
        parts.append(reading.brand)
    known = reading.title_words
    parts.append(" ".join(value.lower() for value in product.attributes.values() if value.lower() not in known))
    if product.price:
        parts.append(f"{product.price:.0f}")
    parts.append(summary(reading, idf, description_words))
    return SEPARATOR.join(part for part in parts if part)


def summary(reading: Reading, idf: Idf, limit: int) -> str:
    """The rarest `limit` words of the description that stand nowhere else, each once, in their order."""
    if not limit or not reading.description:
        return ""
    known = {*reading.title_words, *words(reading.brand)}
    new = list(dict.fromkeys(word for word in words(reading.description) if word not in known))
    kept = set(sorted(new, key=idf, reverse=True)[:limit])
    return " ".join(word for word in new if word in kept)
