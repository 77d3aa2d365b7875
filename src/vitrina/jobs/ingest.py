"""A shop's file or a published folder → one canonical table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vitrina.jobs.result import JobResult


class IngestResult(JobResult):
    """What was written; `quarantine` names the file of bad rows, where there are any."""

    table: str
    output: str
    rows: int
    quarantined: int
    quarantine: str | None
    ignored_columns: list[str]


def ingest(
    source: Path,
    table: str,
    output: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    layout: str | None = None,
    quarantine: Path | None = None,
    max_bad: float = 0.2,
    encoding: str = "utf-8",
) -> IngestResult:
    """Read, rename, type and check every row; bad rows go to the quarantine file with their reason.

    Args:
        mapping: canonical column → the source's column, or `=constant`.
        layout: how a folder is laid out; default: guessed from its files.
        quarantine: `.csv` or `.parquet`; default: `<output>.quarantine.csv`.
        max_bad: the largest share of bad rows that is accepted.

    Raises:
        UsageError: for a wrong argument.
        DataError: for a source that cannot become this table; then nothing is written.
    """
    from vitrina.data.ingest import ingest as run

    result = run(
        Path(source),
        table,
        Path(output),
        mapping=mapping,
        layout=layout,
        quarantine=quarantine,
        max_bad=max_bad,
        encoding=encoding,
    )
    return IngestResult(
        table=table,
        output=str(output),
        rows=result.rows,
        quarantined=result.quarantined,
        quarantine=str(result.quarantine) if result.quarantine else None,
        ignored_columns=result.ignored,
    )
