"""Canonical tables on disk: Parquet with the Arrow schema of the contract, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vitrina.contracts import Table
from vitrina.errors import ArtifactError, DataError

ARROW = {
    "string": pa.string(),
    "float": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "bytes": pa.binary(),
    "attributes": pa.map_(pa.string(), pa.string()),
}


def schema(table: Table) -> pa.Schema:
    """The Arrow schema of a canonical table; all fields are nullable, nulls are the rules' business."""
    return pa.schema([(column.name, ARROW[column.kind]) for column in table.columns])


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success it replaces `target`, on error it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    staging = Path(name)
    try:
        yield staging
        staging.chmod(0o644)
        staging.replace(target)
    except OSError as error:
        raise ArtifactError(f"Cannot write {target}: {error.strerror or error}. Nothing was changed.") from error
    finally:
        staging.unlink(missing_ok=True)


def to_arrow(frame: pd.DataFrame, table: Table) -> pa.Table:
    """The columns of `table`, in its order and types; nullable columns that `frame` lacks are empty."""
    absent = dict.fromkeys(_absent(frame.columns, table))
    content = pa.Table.from_pandas(frame.assign(**absent)[table.names], schema=schema(table), preserve_index=False)
    return content.replace_schema_metadata(None)


def write_table(frame: pd.DataFrame, table: Table, path: Path) -> None:
    """Write the columns of `table`; the same frame gives the same bytes."""
    content = to_arrow(frame, table)
    with staged_file(path) as staging:
        pq.write_table(content, staging, compression="zstd")


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        DataError: when it does not exist or is not Parquet.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist.")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}.") from error


def read_table(path: Path, table: Table, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read `columns` (default: all) of a canonical table; `attributes` come as lists of (name, value).

    Raises:
        DataError: when the file is missing or not Parquet, or its schema is not the contract's.
    """
    names = list(columns or table.names)
    return _completed(_open_table(path, table).read(columns=names), table).select(names).to_pandas()


def read_batches(path: Path, table: Table, rows: int) -> Iterator[pa.Table]:
    """A canonical table piece by piece, extra columns included; raises what `read_table` raises."""
    for batch in _open_table(path, table).iter_batches(rows):
        yield _completed(pa.Table.from_batches([batch]), table)


def _absent(names: Collection[str], table: Table) -> list[str]:
    return [column.name for column in table.columns if column.nullable and column.name not in names]


def _completed(content: pa.Table, table: Table) -> pa.Table:
    """With the nullable columns that an older file, written before the contract had them, lacks: empty."""
    for name in _absent(content.column_names, table):
        content = content.append_column(
            schema(table).field(name), pa.nulls(len(content), schema(table).field(name).type)
        )
    return content


def _open_table(path: Path, table: Table) -> pq.ParquetFile:
    file = open_parquet(path)
    if problems := schema_problems(file.schema_arrow, table):
        name, problem = next(iter(problems.items()))
        wanted = schema(table).field(name).type
        raise DataError(f"{path} is not a canonical {table.name} table: column {name} must be {wanted}, {problem}.")
    return file


def schema_problems(found: pa.Schema, table: Table) -> dict[str, str]:
    """Where a file's schema differs from the contract: column → what is wrong.

    Extra columns are allowed, and nullable ones may be absent.
    """
    problems = {}
    absent = _absent(found.names, table)
    for field in schema(table):
        if field.name in absent:
            continue
        if field.name not in found.names:
            problems[field.name] = "it is missing"
        elif not found.field(field.name).type.equals(field.type):
            problems[field.name] = f"it is {found.field(field.name).type}"
    return problems
