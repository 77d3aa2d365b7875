"""The catalogue's side of a segment: ids, titles and what filters ask, in a memory-mapped Arrow file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.contracts.catalogue import at_or_below, category_path
from vitrina.search.engine import KEPT, Filters, Hit

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = "rows.arrow"
CODED = ("category", "currency", "language")
"""Columns of few values: stored as codes, so that a filter compares each value once."""


class Rows:
    """The rows of one segment. Unknown values are stored as an empty string or NaN: columns without nulls map as is."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        with pa.memory_map(str(folder / ROWS)) as source:
            self.table: pa.Table = pa.ipc.open_file(source).read_all()
        self._columns = {name: self.table.column(name).chunk(0) for name in KEPT}
        self._values = {
            name: [category_path(value) for value in self._columns[name].dictionary.to_pylist()] for name in CODED
        }

    def passing(self, filters: Filters) -> np.ndarray | None:
        """(rows,) bool: which rows pass; None where nothing is asked."""
        masks = []
        if filters.category is not None:
            parent = category_path(filters.category)
            masks.append(self._coded("category", lambda path: at_or_below(path, parent)))
        if filters.language is not None:
            asked = filters.language.lower()
            masks.append(self._coded("language", lambda code: f"{code}-".startswith(f"{asked}-")))
        if filters.currency is not None:
            masks.append(self._coded("currency", filters.currency.lower().__eq__))
        if filters.min_price is not None or filters.max_price is not None:
            masks.append(self._priced(filters))
        return np.logical_and.reduce(masks) if masks else None

    def positions(self, ids: Sequence[str]) -> np.ndarray:
        """The row numbers of those ids that are here."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pc.is_in(self.table.column("product_id"), value_set=pa.array(ids, pa.string()))
        return np.flatnonzero(found.to_numpy())

    def ids(self, positions: np.ndarray) -> list[str]:
        """The ids of some rows."""
        return [self._columns["product_id"][int(row)].as_py() for row in positions]

    def hit(self, row: int, score: float) -> Hit:
        """One row as an answer."""
        values = {name: column[row].as_py() for name, column in self._columns.items()}
        price = values.pop("price")
        known = {name: value or None for name, value in values.items() if name in CODED}
        return Hit(**{**values, **known}, score=score, price=None if price != price else price)

    def _coded(self, name: str, passes: Callable[[str], bool]) -> np.ndarray:
        allowed = np.array([bool(value) and passes(value) for value in self._values[name]])
        return allowed[self._columns[name].indices.to_numpy()]

    def _priced(self, filters: Filters) -> np.ndarray:
        price = self._columns["price"].to_numpy()
        low = -np.inf if filters.min_price is None else filters.min_price
        high = np.inf if filters.max_price is None else filters.max_price
        return (price >= low) & (price <= high)


def stored(rows: pa.Table) -> pa.Table:
    """The columns `KEPT` of a catalogue table in the types of the file, dictionaries still plain strings."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {}
    for name in KEPT:
        kind = pa.float64() if name == "price" else pa.string()
        blank: Any = float("nan") if name == "price" else ""
        column = rows.column(name).cast(kind) if name in rows.column_names else pa.nulls(len(rows), kind)
        columns[name] = pc.fill_null(column, blank)
    return pa.table(columns)


def write_rows(folder: Path, parts: Sequence[pa.Table]) -> None:
    """Write what `stored` made as one batch."""
    import pyarrow as pa

    table = pa.concat_tables(parts).combine_chunks()
    for name in CODED:
        position = table.column_names.index(name)
        table = table.set_column(position, name, table.column(name).dictionary_encode().combine_chunks())
    with pa.OSFile(str(folder / ROWS), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
