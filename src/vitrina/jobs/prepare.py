"""Validated tables → the splits a family trains on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrina.jobs.result import JobResult

SPLITS = ("train", "validation", "test")
PREPARED = "prepared.json"


class PrepareResult(JobResult):
    """A prepared folder: its splits' rows and the digest that names this version of the data."""

    family: str
    output: str
    rows: dict[str, int]
    data_version: str


def prepare(
    family: str,
    tables: Mapping[str, Path],
    output: Path,
    *,
    preset: str = "base",
    overrides: Mapping[str, Any] | None = None,
    seed: int = 7,
) -> PrepareResult:
    """Split the tables a family needs into `output`, which appears whole or not at all.

    Raises:
        UsageError: unknown family or preset, or a table that is not given or does not exist.
        DataError: when the tables cannot be split.
    """
    import pyarrow.parquet as pq

    from vitrina.artifacts import digest_of, staged_folder, write_json
    from vitrina.families import catalog
    from vitrina.training.preset import load_preset

    spec = catalog.get(family)
    given = {name: Path(path) for name, path in tables.items()}
    _require(spec.name, spec.tables, given)
    options = load_preset(spec, preset, overrides).model
    with staged_folder(Path(output)) as folder:
        spec.data.prepare(given, folder, options, seed)
        parts = [folder / f"{name}.parquet" for name in SPLITS]
        rows = {part.stem: pq.read_metadata(part).num_rows for part in parts}
        result = PrepareResult(family=spec.name, output=str(output), rows=rows, data_version=digest_of(parts))
        write_json(folder / PREPARED, result.model_dump(exclude={"output"}) | {"seed": seed})
    return result


def _require(family: str, needed: tuple[str, ...], given: Mapping[str, Path]) -> None:
    from vitrina.errors import UsageError

    for name in needed:
        if name not in given:
            raise UsageError(f"{family} needs the table '{name}': give it as --table {name}=FILE.")
    for name, path in given.items():
        if not path.is_file():
            raise UsageError(f"Table {name}: {path} does not exist.")
