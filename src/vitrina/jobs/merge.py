"""Job: put newly labelled or newly arrived rows into the tables that a model is trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.artifacts import staged_folder
from vitrina.errors import DataError, UsageError
from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    import pyarrow as pa

REPLACED_BY = {"messages": ("text",)}
"""Where a newer row replaces more than its double: a corrected label replaces every earlier one of its text."""


class MergeResult(JobResult):
    """Rows of each merged table; how many additions were new, and how many earlier rows they replaced."""

    output: Path
    rows: dict[str, int]
    added: int
    replaced: int


def merge(tables: Mapping[str, Path], additions: Mapping[str, Path], output: Path) -> MergeResult:
    """Write `<output>/<table>.parquet` for each of `tables`: its rows, then those of `additions`.

    An addition takes over the split of the row it replaces, so that a held-out row stays held out.

    Args:
        additions: Parquet files; for `messages` and `catalogue` also what the job `labelled` reads: a labelling
            tool's export, or the folder of a prediction log, whose feedback is then taken; for `interactions` also the
            `.sqlite` file of what services kept (job `kept_events`).

    Raises:
        UsageError: additions to a table that is not merged.
        DataError: a file that is missing, not Parquet, or lacks a column.
    """
    import pyarrow.parquet as pq

    if unknown := sorted(set(additions) - set(tables)):
        raise UsageError(f"There are additions to {', '.join(unknown)} but no such table to add them to.")
    rows, added, replaced = {}, 0, 0
    with staged_folder(output) as folder:
        for name, path in tables.items():
            merged = table = _read(path, name)
            if name in additions:
                newest = _newest(_addition(additions[name], name), name)
                merged, gone = _merged(table, newest, name)
                added, replaced = added + len(newest), replaced + gone
            pq.write_table(merged, folder / f"{name}.parquet")
            rows[name] = len(merged)
    return MergeResult(output=output, rows=rows, added=added, replaced=replaced)


def _addition(path: Path, name: str) -> pa.Table:
    from vitrina.jobs.kept_events import kept_events
    from vitrina.jobs.labelled import labelled
    from vitrina.monitoring.labelling import LABELLED

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / f"{name}.parquet"
        if name == "interactions" and path.suffix == ".sqlite":
            path = kept_events(path, made).output
        elif name in LABELLED and path.suffix != ".parquet":
            path = labelled(path, made, table=name).output
        return _read(path, name)


def _read(path: Path, name: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path).replace_schema_metadata(None)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist (table {name}).") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet table; read it with `vitrina ingest {name}` first.") from error
    if missing := [column for column in _identity(name) if column not in table.column_names]:
        raise DataError(f"{path}: table {name} has no column {', '.join(missing)}.")
    return table


def _identity(name: str) -> tuple[str, ...]:
    from vitrina.contracts import table_named

    return REPLACED_BY.get(name, table_named(name).key)


def _keys(table: pa.Table, name: str) -> list[tuple]:
    return list(zip(*(table[column].to_pylist() for column in _identity(name)), strict=True))


def _newest(table: pa.Table, name: str) -> pa.Table:
    """The last of the rows that replace each other, in file order; absent columns hold their contract's default."""
    import pyarrow as pa

    from vitrina.contracts import table_named

    last = {key: row for row, key in enumerate(_keys(table, name))}
    table = table.take(sorted(last.values()))
    for column in table_named(name).columns:
        if column.default is not None and column.name not in table.column_names:
            table = table.append_column(column.name, pa.array([column.default] * len(table)))
    return table


def _merged(table: pa.Table, newest: pa.Table, name: str) -> tuple[pa.Table, int]:
    import pyarrow as pa

    new, old = _keys(newest, name), _keys(table, name)
    if "split" in table.column_names:
        held = _held_out(old, table["split"].to_pylist())
        own = newest["split"].to_pylist()
        splits = [held.get(key) or split for key, split in zip(new, own, strict=True)]
        newest = newest.set_column(newest.column_names.index("split"), "split", pa.array(splits, pa.string()))
    replaced = set(new)
    kept = table.filter(pa.array([key not in replaced for key in old], pa.bool_()))
    shared = newest.select([column for column in newest.column_names if column in table.column_names])
    try:
        merged = pa.concat_tables([kept, shared], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"The additions to {name} do not fit its column types: {error}.") from error
    return merged.select(table.column_names), len(table) - len(kept)


def _held_out(keys: list[tuple], splits: list[str]) -> dict[tuple, str]:
    """Key → the split that most holds it out, of the rows that share the key."""
    from vitrina.contracts.messages import SPLITS

    order = {split: rank for rank, split in enumerate(("", *SPLITS))}
    held: dict[tuple, str] = {}
    for key, split in zip(keys, splits, strict=True):
        if order.get(split, 0) > order.get(held.get(key, ""), 0):
            held[key] = split
    return held
