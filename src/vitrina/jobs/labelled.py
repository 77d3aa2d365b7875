"""Job: labels that people gave → rows of the canonical `messages` table, ready to train on."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class LabelledResult(JobResult):
    """The table that was written; merge it with the training table by the job `merge`."""

    output: Path
    rows: int
    intents: int


def labelled(source: Path, output: Path) -> LabelledResult:
    """Write the messages whose true label is known.

    Args:
        source: a labelled file (Label Studio's JSON, JSON-MIN or CSV; the CSV of `vitrina label export`), or the folder
            of a prediction log, whose feedback then gives the labels.

    Raises:
        UsageError: when the source does not exist.
        DataError: when it holds no label.
    """
    from vitrina.contracts import MESSAGES
    from vitrina.data.tables import write_table
    from vitrina.errors import DataError
    from vitrina.monitoring import feedback
    from vitrina.monitoring.labelling import labelled_to_messages, training_rows
    from vitrina.monitoring.predictions import read_window

    source, output = Path(source), Path(output)
    if source.is_dir():
        messages = training_rows(read_window(source).frame, feedback.read(source))
    else:
        messages = labelled_to_messages(source)
    if messages.empty:
        raise DataError(f"{source} holds no logged message whose true label is known.")
    write_table(messages, MESSAGES, output)
    return LabelledResult(output=output, rows=len(messages), intents=int(messages["intent"].nunique()))
