"""Canonical tables → a report, or the error that stops a pipeline before it trains on bad data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vitrina.jobs.result import JobResult

SHOWN = 3


class TableSummary(JobResult):
    """How much of one table was looked at."""

    file: str
    rows: int
    checks: int


class ValidateResult(JobResult):
    """`ok` is always true: a broken contract raises."""

    ok: bool
    tables: dict[str, TableSummary]


def validate(tables: Mapping[str, Path], report: Path | None = None) -> ValidateResult:
    """Run the Great Expectations suite of every table, and the references between the given ones.

    Args:
        report: JSON file with all breaches; written before the error is raised.

    Raises:
        UsageError: for an unknown table.
        DataError: names file, column, rule, bad rows and samples.
    """
    from dataclasses import asdict

    from vitrina.artifacts import write_json
    from vitrina.data.validation import check_tables
    from vitrina.errors import DataError, UsageError
    from vitrina.settings import disable_telemetry

    if not tables:
        raise UsageError("There is nothing to validate: give at least one --table NAME=FILE.")
    disable_telemetry()
    checked = check_tables({name: Path(path) for name, path in tables.items()})
    if report is not None:
        write_json(Path(report), {name: asdict(found) for name, found in checked.items()})
    breaches = [breach for found in checked.values() for breach in found.breaches]
    if breaches:
        more = f"; and {len(breaches) - SHOWN} more" if len(breaches) > SHOWN else ""
        raise DataError("; ".join(map(str, breaches[:SHOWN])) + more + ".")
    return ValidateResult(
        ok=True,
        tables={
            name: TableSummary(file=str(tables[name]), rows=found.rows, checks=found.checks)
            for name, found in checked.items()
        },
    )
