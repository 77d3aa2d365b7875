"""How complete and readable a product's listing is, and what would make it better: from the product alone.

Every check is a fact about the product. The listing score is the weight of the checks it passes, so each suggestion
that is followed raises it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vitrina.contracts.product_classification import Suggestion
from vitrina.contracts.products import Product

SHORT_TITLE = 3
LONG_TITLE = 25
SHORT_DESCRIPTION = 15
LONG_SENTENCE = 40

_WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_SENTENCE = re.compile(r"[.!?\n]+(?:\s|$)")

NAMES_ES = {
    "brand": "marca",
    "color": "color",
    "colour": "color",
    "gender": "género",
    "material": "material",
    "pattern": "estampado",
    "season": "temporada",
    "size": "talla",
    "style": "estilo",
    "usage": "uso",
    "year": "año",
}
"""Attributes as shops name them in English, in Spanish; any other name is used as it is."""


@dataclass(frozen=True)
class Check:
    """One thing a good listing has. `fails` is true of a product that lacks it."""

    code: str
    weight: float
    fails: Callable[[Product], bool]
    en: str
    es: str


def words(text: str | None) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall((text or "").lower())


def _shouts(product: Product) -> bool:
    letters = [letter for letter in product.title if letter.isalpha()]
    return len(letters) > 10 and all(letter.isupper() for letter in letters)


def _repeats(product: Product) -> bool:
    """The description has no word that the title lacks."""
    said = words(product.description)
    return bool(said) and set(said) <= set(words(product.title))


def _is_hard(product: Product) -> bool:
    sentences = [len(words(part)) for part in _SENTENCE.split(product.description or "")]
    return max(sentences, default=0) > LONG_SENTENCE


def _is_blank(text: str | None) -> bool:
    return not (text and text.strip())


CHECKS: tuple[Check, ...] = (
    Check(
        "short_title",
        2,
        lambda product: len(words(product.title)) < SHORT_TITLE,
        f"The title has fewer than {SHORT_TITLE} words.",
        f"El título tiene menos de {SHORT_TITLE} palabras.",
    ),
    Check(
        "long_title",
        1,
        lambda product: len(words(product.title)) > LONG_TITLE,
        f"The title has more than {LONG_TITLE} words.",
        f"El título tiene más de {LONG_TITLE} palabras.",
    ),
    Check(
        "capital_letters",
        1,
        _shouts,
        "The title is written in capital letters.",
        "El título está escrito en mayúsculas.",
    ),
    Check(
        "no_description",
        3,
        lambda product: _is_blank(product.description),
        "There is no description.",
        "No hay descripción.",
    ),
    Check(
        "repeated_title",
        2,
        _repeats,
        "The description only repeats the title.",
        "La descripción solo repite el título.",
    ),
    Check(
        "short_description",
        2,
        lambda product: 0 < len(words(product.description)) < SHORT_DESCRIPTION,
        f"The description has fewer than {SHORT_DESCRIPTION} words.",
        f"La descripción tiene menos de {SHORT_DESCRIPTION} palabras.",
    ),
    Check(
        "long_sentences",
        1,
        _is_hard,
        f"The description has a sentence of more than {LONG_SENTENCE} words.",
        f"La descripción tiene una frase de más de {LONG_SENTENCE} palabras.",
    ),
    Check("no_brand", 1, lambda product: _is_blank(product.brand), "No brand given.", "No se indica la marca."),
    Check("no_category", 1, lambda product: _is_blank(product.category), "No category given.", "No hay categoría."),
    Check("no_price", 2, lambda product: not product.price, "No price given.", "No se indica el precio."),
    Check(
        "no_currency",
        1,
        lambda product: bool(product.price) and _is_blank(product.currency),
        "The price has no currency.",
        "El precio no tiene moneda.",
    ),
    Check("no_attributes", 2, lambda product: not product.attributes, "No attributes given.", "No hay atributos."),
)


def score(product: Product) -> float:
    """Weight of the checks that the product passes, 0–1."""
    total = sum(check.weight for check in CHECKS)
    return sum(check.weight for check in CHECKS if not check.fails(product)) / total


def suggestions(product: Product, language: str, attributes: Mapping[str, Sequence[str]]) -> list[Suggestion]:
    """What is wrong with the listing, the heaviest first; then the usual attributes that nobody stated.

    Args:
        language: `es…` or anything else, which is answered in English.
        attributes: attribute → its known values; one is suggested when the product neither states the attribute nor
            names one of its values in title or description.
    """
    spanish = language.lower().startswith("es")
    failed = sorted((check for check in CHECKS if check.fails(product)), key=lambda check: -check.weight)
    found = [Suggestion(check.code, check.es if spanish else check.en) for check in failed]
    said = f" {' '.join(words(f'{product.title} {product.description or str()}'))} "
    stated = {name.lower() for name, value in product.attributes.items() if value.strip()}
    for name, values in attributes.items():
        if name.lower() not in stated and not any(f" {' '.join(words(value))} " in said for value in values):
            text = f"No se indica: {NAMES_ES.get(name, name)}." if spanish else f"No {name} given."
            found.append(Suggestion(f"no_{name}", text))
    return found
