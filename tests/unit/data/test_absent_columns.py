"""A canonical file of before a nullable column was added is still canonical: the column is empty."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from vitrina.contracts import CATALOGUE
from vitrina.data.sample_store import Size, write_store
from vitrina.data.tables import read_batches, read_table, write_table
from vitrina.errors import DataError

SIZE = Size(products=30, users=10, interactions=100, messages=5)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A catalogue without stock."""
    write_store(tmp_path, SIZE, seed=7, only=("catalogue",))
    path = tmp_path / "catalogue.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["stock"]), path)
    return path


def test_an_absent_nullable_column_reads_as_empty(old: Path) -> None:
    assert read_table(old, CATALOGUE)["stock"].isna().all()
    assert list(read_table(old, CATALOGUE, ["stock", "title"]).columns) == ["stock", "title"]
    [batch] = read_batches(old, CATALOGUE, 100)
    assert batch["stock"].null_count == 30


def test_an_absent_required_column_is_still_an_error(old: Path) -> None:
    pq.write_table(pq.read_table(old).drop_columns(["title"]), old)
    with pytest.raises(DataError, match="column title"):
        read_table(old, CATALOGUE)


def test_a_frame_without_it_is_written_with_it(old: Path, tmp_path: Path) -> None:
    frame = read_table(old, CATALOGUE).drop(columns="stock")
    write_table(frame, CATALOGUE, tmp_path / "new.parquet")
    assert pq.read_schema(tmp_path / "new.parquet").names == CATALOGUE.names
    pd.testing.assert_frame_equal(read_table(tmp_path / "new.parquet", CATALOGUE), read_table(old, CATALOGUE))


def test_only_the_tables_asked_for_are_drawn_with_the_same_bytes(tmp_path: Path) -> None:
    all_rows = write_store(tmp_path / "all", SIZE, seed=7)
    rows = write_store(tmp_path / "some", SIZE, seed=7, only=("interactions", "catalogue"))
    assert rows == {name: all_rows[name] for name in ("catalogue", "interactions")}
    for name in rows:
        same = [(tmp_path / part / f"{name}.parquet").read_bytes() for part in ("all", "some")]
        assert same[0] == same[1]
    assert sorted(path.name for path in (tmp_path / "some").iterdir()) == ["catalogue.parquet", "interactions.parquet"]


def test_the_store_says_what_is_in_stock(tmp_path: Path) -> None:
    write_store(tmp_path, Size(products=2000, users=10, interactions=100, messages=5), seed=7, only=("catalogue",))
    stock = read_table(tmp_path / "catalogue.parquet", CATALOGUE)["stock"]
    assert stock.ge(0).all()
    assert 0.02 < stock.eq(0).mean() < 0.1
