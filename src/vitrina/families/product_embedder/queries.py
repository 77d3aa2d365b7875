"""What people type: titles with words missing and typos, and lists of attributes ("black heels for women").

Training draws them from training products, evaluation from held-out ones with its own random numbers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vitrina.contracts.catalogue import PATH_SEPARATOR
from vitrina.contracts.products import Product

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PHRASES = {
    "en": {
        "gender": ("for {}",),
        "colour": ("in {}", "{}"),
        "color": ("in {}", "{}"),
        "material": ("made of {}", "in {}"),
        "season": ("for {}",),
        "usage": ("for {} wear", "{}"),
        "": ("with {}", "{}"),
    },
    "es": {
        "gender": ("para {}", "de {}"),
        "colour": ("en {}", "de color {}", "{}"),
        "color": ("en {}", "de color {}", "{}"),
        "material": ("de {}",),
        "season": ("de {}", "para {}"),
        "usage": ("para uso {}", "{}"),
        "style": ("estilo {}", "de estilo {}"),
        "": ("con {}", "{}"),
    },
}
"""Language → attribute → how its value is said after the noun; the empty name stands for every other attribute."""

FEW_VALUES = 200
ROWS_A_VALUE = 3


@dataclass(frozen=True)
class AttributeQuery:
    """A text and what it asks for: attribute values, and a category path of which the product's is a part."""

    text: str
    wanted: tuple[tuple[str, str], ...]
    category: str | None

    def accepts(self, product: Product) -> bool | None:
        """Whether the product is what is asked for; None: too little is known of it."""
        answers = [_same(product.attributes.get(name), value) for name, value in self.wanted]
        if self.category is not None:
            answers.append(_within(product.category, self.category))
        if False in answers:
            return False
        return None if None in answers else True


def _same(known: str | None, value: str) -> bool | None:
    return None if known is None else known == value


def _within(path: str | None, wanted: str) -> bool | None:
    return None if path is None else f"{path}{PATH_SEPARATOR}".startswith(f"{wanted}{PATH_SEPARATOR}")


def facets(products: Iterable[Product]) -> tuple[str, ...]:
    """The attributes that people search by: words, not numbers, of which each stands for several products."""
    values: dict[str, Counter[str]] = {}
    for product in products:
        for name, value in product.attributes.items():
            values.setdefault(name, Counter())[value] += 1
    return tuple(name for name, counts in sorted(values.items()) if _is_facet(counts))


def _is_facet(counts: Counter[str]) -> bool:
    words = sum(count for value, count in counts.items() if any(letter.isalpha() for letter in value))
    return words > counts.total() / 2 and len(counts) <= min(FEW_VALUES, counts.total() / ROWS_A_VALUE)


def attribute_query(product: Product, names: Sequence[str], rng: random.Random) -> AttributeQuery | None:
    """A query the product answers, of one to three of its attributes `names` and mostly its kind; None: no such."""
    given = [(name, product.attributes[name]) for name in names if product.attributes.get(name)]
    if not given:
        return None
    wanted = rng.sample(given, min(len(given), rng.choice((1, 2, 2, 3))))
    category = _asked_category(product.category, rng)
    if category is None and len(wanted) < 2:
        wanted = given
    language = "es" if (product.language or "").startswith("es") else "en"
    noun = "" if category is None else _noun(category, rng)
    text = _said(wanted, noun, language, rng)
    return AttributeQuery(" ".join(text.lower().split()), tuple(wanted), category)


def _asked_category(path: str | None, rng: random.Random) -> str | None:
    """Mostly the whole path, sometimes an upper level or none."""
    if path is None or rng.random() < 0.1:
        return None
    levels = path.split(PATH_SEPARATOR)
    return PATH_SEPARATOR.join(levels[: rng.randint(1, len(levels))] if rng.random() < 0.15 else levels)


def _noun(category: str, rng: random.Random) -> str:
    leaf = category.split(PATH_SEPARATOR)[-1]
    plural = leaf.endswith("s") and not leaf.endswith("ss") and len(leaf) > 3
    return leaf[:-1] if plural and rng.random() < 0.3 else leaf


def _said(wanted: list[tuple[str, str]], noun: str, language: str, rng: random.Random) -> str:
    """A list of words with the noun last or anywhere, or a phrase with the noun first and one attribute said after."""
    values = [value for _, value in wanted]
    if not noun or rng.random() < 0.6:
        words = [*values, noun]
        if rng.random() < 0.3:
            rng.shuffle(words)
        return " ".join(words)
    name, value = wanted[-1]
    phrases = PHRASES[language]
    ending = rng.choice(phrases.get(name, phrases[""])).format(value)
    before = " ".join(values[:-1])
    return f"{noun} {before} {ending}" if language == "es" else f"{before} {noun} {ending}"


def damaged(title: str, rng: random.Random, dropped: float = 0.3, typos: int = 1) -> str:
    """A title as someone remembers it: that share of its words missing (one always stays), and so many typos."""
    words = title.split()
    kept = sorted(rng.sample(range(len(words)), max(1, round(len(words) * (1 - dropped))))) if words else []
    words = [words[i] for i in kept]
    for _ in range(typos if words else 0):
        longer = [i for i, word in enumerate(words) if len(word) >= 4] or list(range(len(words)))
        chosen = rng.choice(longer)
        words[chosen] = mistyped(words[chosen], rng)
    return " ".join(words)


def mistyped(word: str, rng: random.Random) -> str:
    """One letter missing, added, wrong, or swapped with the next."""
    at = rng.randrange(len(word))
    kind = rng.choice(("missing", "added", "wrong", "swapped")) if len(word) > 1 else "added"
    if kind == "missing":
        return word[:at] + word[at + 1 :]
    if kind == "added":
        return word[:at] + rng.choice(LETTERS) + word[at:]
    if kind == "wrong":
        return word[:at] + rng.choice(LETTERS) + word[at + 1 :]
    at = min(at, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
