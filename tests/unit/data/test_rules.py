"""Ingest's check and the Great Expectations suite agree, rule by rule and row by row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vitrina.contracts import TABLES, Table
from vitrina.data import rules
from vitrina.data.tables import write_table
from vitrina.data.validation import check_tables

VALUES = {
    "string": ["ok", "", "es", "EUR", "eur", "A > B", " > ", "view", "rating", "train", "x" * 21_000, None],
    "float": [0.0, -1.0, 0.5, 1.0, 5.0, 5.1, 1e9, None],
    "integer": [0, 1, 5, 6, 20_000, 20_001],
    "timestamp": ["1970-01-01", "1990-01-01", "2025-06-01", "2100-01-01", "2100-01-02", None],
}


def frame_of(table: Table) -> pd.DataFrame:
    """Every rule of the table meets values that keep it and values that break it."""
    columns = {}
    for column in table.columns:
        values = VALUES.get(column.kind, [None])
        repeated = pd.Series([values[row % len(values)] for row in range(84)], dtype=object)
        if column.kind == "timestamp":
            repeated = pd.to_datetime(repeated, utc=True).astype("datetime64[us, UTC]")
        elif column.kind in ("float", "integer"):
            repeated = pd.to_numeric(repeated)
        columns[column.name] = repeated
    return pd.DataFrame(columns)


@pytest.mark.parametrize("name", TABLES)
def test_the_suite_counts_the_rows_that_ingest_would_refuse(name: str, tmp_path: Path) -> None:
    table = TABLES[name]
    frame = frame_of(table)
    write_table(frame, table, tmp_path / "t.parquet")
    breaches = check_tables({name: tmp_path / "t.parquet"})[name].breaches
    found = {(breach.column, breach.rule): breach.bad_rows for breach in breaches}
    expected = {
        (column.name, str(rule)): int(rules.broken(frame, column, rule).sum())
        for column in table.columns
        for rule in column.rules
    }
    assert sum(expected.values()) > 0
    for rule, count in expected.items():
        assert found.get(rule, 0) == count, rule
    empty = {column.name: int(frame[column.name].isna().sum()) for column in table.columns if not column.nullable}
    assert {column: count for column, count in empty.items() if count} == {
        breach.column: breach.bad_rows for breach in breaches if breach.rule == rules.NOT_EMPTY
    }
