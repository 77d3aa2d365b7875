"""The products of the sample store."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vitrina.data.sample_store.grammar import expand, pick, vocabulary

SPANISH = 0.6  # share of products described in Spanish
PHOTOGRAPHED = 0.97
SOLD_OUT = 0.05
INFLATION = 1.12  # prices after the drift switch
OPENING = pd.Timestamp("2023-01-10", tz="UTC")


def draw_catalogue(
    count: int, rng: np.random.Generator, *, start: pd.Timestamp, end: pd.Timestamp, drift: bool
) -> pd.DataFrame:
    """The catalogue table, plus the columns that the other tables are drawn from.

    One product in five is new between `start` and `end`. Extra columns: `kind` and `maker` (places in the vocabulary's
    lists), `shape`, `colour`, `pattern` (English), `noun`, `material` (in the product's language).
    """
    words = vocabulary("catalogue")
    kinds = rng.integers(len(words["categories"]), size=count)
    makers = rng.integers(len(words["brands"]), size=count)
    spread = np.exp(rng.normal(0, 0.25, count)) * (INFLATION if drift else 1.0)
    languages = np.where(rng.random(count) < SPANISH, "es", "en")
    rows = [
        _product(words, int(kind), int(maker), str(language), float(factor), rng)
        for kind, maker, language, factor in zip(kinds, makers, languages, spread, strict=True)
    ]
    products = pd.DataFrame(rows)
    numbers = [f"{number:06d}" for number in range(1, count + 1)]
    products.insert(0, "product_id", [f"p{number}" for number in numbers])
    photographed = rng.random(count) < PHOTOGRAPHED
    image_ids = pd.Series([f"i{number}" for number in numbers], dtype=object)
    created = _created(count, rng, start, end)
    stock = rng.geometric(1 / 40, count) * (rng.random(count) >= SOLD_OUT)  # drawn last: older columns keep their bytes
    return products.assign(
        currency="EUR",
        image_id=image_ids.where(photographed, None),
        created_at=created,
        stock=stock,
        kind=kinds,
        maker=makers,
    )


def _product(
    words: dict, kind: int, maker: int, language: str, factor: float, rng: np.random.Generator
) -> dict[str, object]:
    category = words["categories"][kind]
    brand, level = words["brands"][maker]
    spoken = 1 if language == "es" else 0
    colour, material, pattern, style = (
        pick(choices, rng)
        for choices in (
            words["colours"],
            words["materials"][category["materials"]],
            [words["patterns"][0], *words["patterns"]],  # half of the products are plain
            words["styles"],
        )
    )
    noun = category[language]
    care = "soft" if category["materials"] in words["soft"] else "hard"
    said = {"colour": colour, "material": material, "pattern": pattern, "style": style}
    slots = {name: [value[spoken]] for name, value in said.items()}
    slots |= {"noun": [noun], "brand": [brand], "care": words["care"][care][language]}
    description = expand(pick(words["descriptions"][language], rng), slots, rng)
    return {
        "title": _title(language, noun, brand, {name: values[0] for name, values in slots.items()}),
        "description": description[0].upper() + description[1:],
        "category": category["path"],
        "brand": brand,
        "price": round(category["price"] * level * factor) - 0.05,
        "attributes": [(name, value[0]) for name, value in said.items()],
        "language": language,
        "shape": category["shape"],
        "colour": colour[0],
        "pattern": pattern[0],
        "noun": noun,
        "material": material[spoken],
    }


def _title(language: str, noun: str, brand: str, said: dict[str, str]) -> str:
    if language == "es":
        title = f"{noun} {brand} de {said['material']} en {said['colour']}, estilo {said['style']}"
    else:
        title = f"{said['style']} {said['colour']} {said['material']} {noun} by {brand}"
    return title[0].upper() + title[1:]


def _created(count: int, rng: np.random.Generator, start: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    old = OPENING + (start - OPENING) * pd.Series(rng.random(count))
    new = start + (end - start) * pd.Series(rng.random(count) * 0.8)
    return old.where(rng.random(count) < 0.8, new).dt.floor("s")
