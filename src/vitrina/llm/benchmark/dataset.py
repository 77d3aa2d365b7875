"""The prompts of a benchmark: descriptions asked for, as the assistant asks for them, of a shop's own products."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from vitrina.errors import DataError
from vitrina.llm.benchmark.load import Load
from vitrina.llm.prompts.prompt import built_in
from vitrina.llm.prompts.rendering import render

COLUMNS = ("product_id", "title", "brand", "category", "price", "currency", "attributes", "language")
PRODUCTS = 2000  # of the sample store


def read_products(catalogue: Path | None, seed: int = 7) -> list[dict[str, Any]]:
    """The facts of a catalogue's products (default: the sample store's), as the prompts of `describe` take them.

    Raises:
        DataError: the file is missing, no catalogue or empty.
    """
    from vitrina.contracts import TABLES
    from vitrina.data.sample_store import Size, write_store
    from vitrina.data.tables import read_table

    if catalogue is None:
        with tempfile.TemporaryDirectory() as folder:
            write_store(Path(folder), Size(products=PRODUCTS), seed, only=["catalogue"])
            return read_products(Path(folder) / "catalogue.parquet")
    rows = cast("list[dict[str, Any]]", read_table(catalogue, TABLES["catalogue"], COLUMNS).to_dict("records"))
    if not rows:
        raise DataError(f"{catalogue} has no products to ask about.")
    return [_known(row) for row in rows]


def write_prompts(path: Path, products: Sequence[Mapping[str, Any]], load: Load, level: int) -> int:
    """Write what one level asks: JSON lines with `messages`; levels take turns through the catalogue.

    Returns:
        Rows; a catalogue that is shorter begins again.
    """
    prompt = built_in("describe")
    first = sum(load.rows_of(each) for each in load.steps[:level])
    count = load.rows_of(load.steps[level])
    with path.open("w", encoding="utf-8") as file:
        for row in range(first, first + count):
            product = dict(products[row % len(products)])
            inputs = {"language": product.pop("language", "es"), "product": product}
            file.write(json.dumps({"messages": render(prompt, inputs, form="text")}, ensure_ascii=False) + "\n")
    return count


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the catalogue without what is unknown (None, NaN)."""
    known = {name: value for name, value in row.items() if value is not None and value == value}  # NaN is not itself
    known["attributes"] = dict(row["attributes"]) if row["attributes"] is not None else {}
    return known
