"""True labels that arrive after the prediction: taken in, joined by request id, turned into live accuracy.

`feedback.jsonl` is append-only and shared with the services; the last line about a request wins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vitrina.contracts.http import FeedbackRecord
from vitrina.data.coercion import coerce
from vitrina.data.sources.files import read_frame
from vitrina.errors import DataError
from vitrina.monitoring.predictions import read_lines
from vitrina.serving.prediction_log import FEEDBACK, append_lines

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("request_id", "label", "timestamp")
SHOWN = "shown"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Accuracy:
    """Share of right predictions with its Wilson 95% interval; `rows` predictions have a label."""

    accuracy: float
    low: float
    high: float
    rows: int


def read_source(path: Path) -> pd.DataFrame:
    """True labels from CSV, JSON or Parquet: `request_id`, `label`, `timestamp` (default: now).

    Raises:
        UsageError: when the file is missing or of another kind.
        DataError: when it cannot be read, lacks a column, or a row has no id, no label or a bad timestamp.
    """
    import pandas as pd

    frame = read_frame(path)
    read: dict[str, pd.Series] = {}
    for column in ("request_id", "label"):
        if column not in frame:
            raise DataError(f"{path} has no column '{column}'; it has {', '.join(map(str, frame.columns))}.")
        read[column], _ = coerce(frame[column], "string")
        _refuse(path, column, "is empty or no text", frame[column], read[column].isna())
    if "timestamp" in frame:
        read["timestamp"], wrong = coerce(frame["timestamp"], "timestamp")
        _refuse(path, "timestamp", "is no ISO 8601 moment", frame["timestamp"], wrong)
    labels = pd.DataFrame(read).reindex(columns=list(COLUMNS))
    moments = pd.to_datetime(labels["timestamp"], utc=True)
    return labels.assign(timestamp=moments.fillna(pd.Timestamp.now(UTC)))


def _refuse(path: Path, column: str, why: str, values: pd.Series, wrong: pd.Series) -> None:
    bad = values[wrong]
    if len(bad):
        row = f"row {bad.index[0] + 1}: {bad.iloc[0]!r}"
        raise DataError(f"{path}: column '{column}' {why} in {len(bad)} of {len(values)} rows ({row}).")


def read(folder: Path) -> pd.DataFrame:
    """The current label of every request that has one: `request_id`, `label`, `timestamp`."""
    import pandas as pd

    lines = read_lines(folder / FEEDBACK, ("request_id", "label"))
    frame = pd.DataFrame(lines.rows, columns=list(COLUMNS))
    return frame.drop_duplicates("request_id", keep="last").reset_index(drop=True)


def append(folder: Path, labels: pd.DataFrame) -> int:
    """Add labels to `feedback.jsonl` and return how many; those it already holds are not written again.

    Safe to repeat: if the disk fills up, the labels written so far stand and a second run adds only the rest.
    """
    known = dict(read(folder)[["request_id", "label"]].itertuples(index=False, name=None))
    latest = labels.drop_duplicates("request_id", keep="last")
    new = latest[latest["label"] != latest["request_id"].map(known)]
    if new.empty:
        return 0
    moments = [moment.to_pydatetime() for moment in new["timestamp"]]  # msgspec refuses pandas' subclass
    records = [FeedbackRecord(*row) for row in zip(new["request_id"], new["label"], moments, strict=True)]
    path = folder / FEEDBACK
    try:
        append_lines(path, msgspec.json.Encoder().encode_lines(records))
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}. Run it again when it can.") from error
    return len(new)


def join(predictions: pd.DataFrame, feedback: pd.DataFrame) -> pd.DataFrame:
    """The predictions whose true label is known: their columns, `true_label` and `labelled_at`."""
    truth = feedback.rename(columns={"label": "true_label", "timestamp": "labelled_at"})
    return predictions.merge(truth[["request_id", "true_label", "labelled_at"]], on="request_id")


def accuracy(joined: pd.DataFrame) -> Accuracy | None:
    """Live accuracy of labelled predictions; None where nothing is labelled.

    An answer that showed several things (`shown`, a list) was right where the truth is among them. It speaks for all
    traffic only if the labelled rows are a fair sample; those chosen by `vitrina label` are not.
    """
    from scipy.stats import binomtest

    if joined.empty:
        return None
    right = int(_right(joined).sum())
    interval = binomtest(right, len(joined)).proportion_ci(CONFIDENCE, method="wilson")
    return Accuracy(right / len(joined), float(interval.low), float(interval.high), len(joined))


def _right(joined: pd.DataFrame) -> pd.Series:
    import pandas as pd

    same = joined["label"] == joined["true_label"]
    if SHOWN not in joined:
        return same
    pairs = zip(joined[SHOWN], joined["true_label"], same, strict=True)
    found = [truth in shown if isinstance(shown, list) else equal for shown, truth, equal in pairs]
    return pd.Series(found, index=joined.index, dtype=bool)


def accuracy_by(joined: pd.DataFrame, column: str = "language") -> dict[str, Accuracy]:
    """Live accuracy per value of a column; rows without a value are under `unknown`."""
    if column not in joined:
        return {}
    groups = joined.groupby(joined[column].fillna("unknown").astype(str))
    return {str(value): found for value, rows in groups if (found := accuracy(rows)) is not None}
