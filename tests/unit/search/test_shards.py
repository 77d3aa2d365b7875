"""Shards that bring their embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vitrina.errors import DataError
from vitrina.search.shards import is_shard, made_by, vectors_of

VECTORS = np.arange(6, dtype=np.float32).reshape(3, 2)


def shard(path: Path, column: pa.Array, metadata: dict[bytes, bytes] | None) -> Path:
    table = pa.table({"product_id": ["a", "b", "c"], "embedding": column}).replace_schema_metadata(metadata)
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.list_(pa.float32(), 2)])
def test_vectors_come_back_from_any_list_of_numbers(tmp_path, kind):
    path = shard(tmp_path / "x.parquet", pa.array(VECTORS.tolist(), kind), made_by("toy", "v1"))
    assert is_shard(path, "toy", "v1")
    found = vectors_of(pq.read_table(path), path)
    np.testing.assert_array_equal(found, VECTORS)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(vectors_of(pq.read_table(path).slice(1, 1), path), VECTORS[1:2])


@pytest.mark.parametrize("column", [[[1.0, 2.0], None, [3.0, 4.0]], [[1.0], [1.0, 2.0], [1.0]], ["a", "b", "c"]])
def test_lists_of_different_lengths_nulls_and_other_columns_are_refused(tmp_path, column):
    path = shard(tmp_path / "x.parquet", pa.array(column), made_by("toy", "v1"))
    with pytest.raises(DataError, match=r"x\.parquet: column embedding must hold lists of numbers of one length"):
        vectors_of(pq.read_table(path), path)


def test_embeddings_of_another_version_or_of_nobody_are_refused(tmp_path):
    column = pa.array(VECTORS.tolist())
    with pytest.raises(DataError, match="made by toy version v0, not by toy version v1"):
        is_shard(shard(tmp_path / "x.parquet", column, made_by("toy", "v0")), "toy", "v1")
    with pytest.raises(DataError, match=r"made by \? version \?, not by toy"):
        is_shard(shard(tmp_path / "x.parquet", column, None), "toy", "v1")


def test_a_plain_catalogue_is_no_shard(tmp_path):
    pq.write_table(pa.table({"product_id": ["a"]}), tmp_path / "x.parquet")
    assert not is_shard(tmp_path / "x.parquet", "toy", "v1")
