"""Job: true labels that arrived later → beside the prediction log, and what they say of the live model."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class FeedbackResult(JobResult):
    """`received` labels of which `new` were added; `joined` belong to a logged prediction, `unknown` (kept) do not.

    `live_accuracy`: over every labelled prediction of the log, as `all` and per language: accuracy, low, high, rows.
    """

    received: int
    new: int
    joined: int
    unknown: int
    live_accuracy: dict[str, dict[str, float]]


def feedback(source: Path, predictions: Path) -> FeedbackResult:
    """Take in a file of `request_id`, `label` and perhaps `timestamp` (CSV, JSON lines, Parquet).

    Repeating it changes nothing; of two labels of one request the later one wins.

    Raises:
        UsageError: no such file or log.
        DataError: a file that lacks a column or has empty ids or labels; then nothing is added.
    """
    from vitrina.monitoring import feedback as labels
    from vitrina.monitoring.decision import live_accuracy
    from vitrina.monitoring.predictions import read_window

    received = labels.read_source(Path(source))
    logged = read_window(Path(predictions)).frame
    new = labels.append(Path(predictions), received)
    known = received["request_id"].isin(logged["request_id"])
    return FeedbackResult(
        received=len(received),
        new=new,
        joined=int(known.sum()),
        unknown=int((~known).sum()),
        live_accuracy=live_accuracy(labels.join(logged, labels.read(Path(predictions)))),
    )
