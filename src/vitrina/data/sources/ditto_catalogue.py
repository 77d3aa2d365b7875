"""The products of a Ditto folder as a `catalogue`; `ditto_pairs` reads which of them are the same."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, ditto

TABLE = "catalogue"
TITLES = ("title", "name")
BRANDS = ("brand", "manufacturer")
ATTRIBUTES = {"modelno": "model"}
OWN = {*TITLES, *BRANDS, "description", "category", "price"}

_TAGS = re.compile(r'"@[A-Za-z-]{2,5}(?![A-Za-z])|"')
"""WDC's titles are cut out of markup: quotes and language tags stayed in them (`"Nike Zoom"@en`)."""


def matches(folder: Path) -> bool:
    """Whether the authors' files lie in `folder`."""
    return ditto.size_of(folder) is not None


def read(folder: Path) -> RawRows:
    """Every distinct record of either side, in the order of the files."""
    return products(ditto.read_lines(folder))


def products(lines: pd.DataFrame) -> RawRows:
    """The distinct records of `ditto.read_lines`; prices are dollars: the shops are American."""
    records = pd.unique(pd.concat([lines["left"], lines["right"]]))
    frame = pd.DataFrame([_product(record) for record in records], dtype=object)
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))


def _product(record: str) -> dict[str, object]:
    values = {name: _clean(value) for name, value in ditto.fields(record).items()}
    price = _price(values.get("price", ""))
    other = {ATTRIBUTES.get(name, name): value for name, value in values.items() if name not in OWN and value}
    return {
        "product_id": ditto.record_id(record),
        "title": _first(values, TITLES),
        "description": values.get("description"),
        "category": values.get("category"),
        "brand": _first(values, BRANDS),
        "price": price,
        "currency": None if price is None else "USD",
        "attributes": other or None,
    }


def _clean(value: str) -> str | None:
    return " ".join(_TAGS.sub(" ", value).split()) or None


def _first(values: dict[str, str | None], names: tuple[str, ...]) -> str | None:
    return next((values[name] for name in names if values.get(name)), None)


def _price(text: str | None) -> float | None:
    """A price above 0; 0 and what is no number say nothing."""
    try:
        price = float((text or "").replace("$", "").replace(",", ""))
    except ValueError:
        return None
    return price if math.isfinite(price) and price > 0 else None
