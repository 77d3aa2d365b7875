"""Parquet shards of embedded products: what a batch pipeline writes and an index is built from.

A shard is a canonical catalogue file with one more column, `embedding` (lists of float32 of one length), and with
`made_by(model, version)` in the file's metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitrina.data.tables import open_parquet
from vitrina.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

EMBEDDING = "embedding"


def made_by(model: str, version: str) -> dict[bytes, bytes]:
    """The Parquet metadata of a shard; `version` as indexes know it, see `vitrina.jobs.index_build`."""
    return {b"vitrina.model": model.encode(), b"vitrina.version": version.encode()}


def is_shard(path: Path, model: str, version: str) -> bool:
    """Whether a catalogue file brings its embeddings.

    Raises:
        DataError: when another model made them, or none is named.
    """
    schema = open_parquet(path).schema_arrow
    if EMBEDDING not in schema.names:
        return False
    wanted = made_by(model, version)
    stated = [(schema.metadata or {}).get(key, b"?").decode() for key in wanted]
    if stated != [value.decode() for value in wanted.values()]:
        raise DataError(
            f"{path}: its embeddings were made by {' version '.join(stated)}, not by {model} version {version}."
        )
    return True


def vectors_of(rows: pa.Table, path: Path) -> np.ndarray:
    """The `embedding` column of one or more rows as (rows, dimension) float32.

    Raises:
        DataError: when it does not hold lists of numbers of one length.
    """
    import pyarrow as pa

    column = rows.column(EMBEDDING).combine_chunks()
    try:
        lengths = set(column.value_lengths().to_pylist()) if not pa.types.is_fixed_size_list(column.type) else {1}
        flat = column.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
        if column.null_count == 0 and len(lengths) == 1:
            return flat.reshape(len(column), -1)
    except (AttributeError, ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    raise DataError(f"{path}: column {EMBEDDING} must hold lists of numbers of one length.")
