"""The `pairs` of a Ditto folder; `ditto_catalogue` reads the products they name."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, Rejected, ditto

TABLE = "pairs"


def matches(folder: Path) -> bool:
    """Whether the authors' files lie in `folder`."""
    return ditto.size_of(folder) is not None


def read(folder: Path) -> RawRows:
    """One row a pair of records, in the authors' splits; see `without_repeats`."""
    return without_repeats(ditto.read_lines(folder))


def without_repeats(lines: pd.DataFrame) -> RawRows:
    """The pairs of `ditto.read_lines`, each once.

    The published files repeat pairs, within a split and across. Of equal rows the one in the strictest split stays
    (test, then validation), so that nothing held out is trained on; a pair with both labels says nothing and is left
    out everywhere. What is left out goes to quarantine with its reason.
    """
    frame = pd.DataFrame(
        {
            "left_id": lines["left"].map(ditto.record_id),
            "right_id": lines["right"].map(ditto.record_id),
            "match": lines["label"] == "1",
            "split": lines["split"],
        }
    )
    pairs = frame.groupby(["left_id", "right_id"])
    contradicted = pairs["match"].transform("nunique") > 1
    strictness = frame["split"].map({split: rank for rank, split in enumerate(ditto.SPLITS.values())})
    kept = strictness.sort_values(ascending=False, kind="stable").index
    repeated = frame.loc[kept].duplicated(["left_id", "right_id"]).reindex(frame.index) & ~contradicted
    rejected = [
        Rejected(int(row), reason, " | ".join(lines.loc[row, ["left", "right"]]))
        for mask, reason in ((contradicted, "pair is labelled both 0 and 1"), (repeated, "pair stands elsewhere too"))
        for row in frame.index[mask]
    ]
    return RawRows(frame[~contradicted & ~repeated], rejected)
