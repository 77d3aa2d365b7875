"""Job: labels that people gave → rows of a canonical table, ready to train on."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class LabelledResult(JobResult):
    """The table that was written; merge it with the training table by the job `merge`."""

    output: Path
    rows: int
    labels: int


def labelled(source: Path, output: Path, *, table: str = "messages") -> LabelledResult:
    """Write the rows of `table` whose true label is known: a message's intent, a product's category.

    Args:
        source: a labelled file (Label Studio's JSON, JSON-MIN or CSV; the CSV of `vitrina label export`), or the folder
            of a prediction log, whose feedback then gives the labels.

    Raises:
        UsageError: when the source does not exist, or labels make no rows of `table`.
        DataError: when it holds no label.
    """
    from vitrina.contracts import table_named
    from vitrina.data.tables import write_table
    from vitrina.errors import DataError, UsageError
    from vitrina.monitoring import feedback
    from vitrina.monitoring.labelling import LABELLED, labelled_rows, training_rows
    from vitrina.monitoring.predictions import read_window

    source, output = Path(source), Path(output)
    if table not in LABELLED:
        raise UsageError(f"Labels make no rows of the table {table}, only of {' and '.join(LABELLED)}.")
    if source.is_dir():
        rows = training_rows(read_window(source).frame, feedback.read(source), table)
    else:
        rows = labelled_rows(source, table)
    if rows.empty:
        raise DataError(f"{source} holds nothing logged whose true label is known.")
    write_table(rows, table_named(table), output)
    _, label = LABELLED[table]
    return LabelledResult(output=output, rows=len(rows), labels=int(rows[label].nunique()))
