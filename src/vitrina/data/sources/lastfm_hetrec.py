"""Last.fm listening (HetRec 2011) as LightGCN's authors cut it: user, artist, plays; a training and a test file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, sequences

NAME = "lastfm_hetrec"
TABLE = "interactions"
TRAINING, TEST = "data1.txt.gz", "test1.txt.gz"
TEST_BEGINS = pd.Timestamp("2011-01-01", tz="UTC")


def matches(folder: Path) -> bool:
    """Whether both files lie in `folder`."""
    return (folder / TRAINING).is_file() and (folder / TEST).is_file()


def read(folder: Path) -> RawRows:
    """One view for each artist of a user, its value the number of plays.

    No time is published: training rows are all of one moment, test rows of `TEST_BEGINS`, which is later.
    """
    parts = [(TRAINING, sequences.FIRST), (TEST, TEST_BEGINS)]
    rows = [
        (user, sequences.product_id(NAME, item), "view", float(plays), moment)
        for name, moment in parts
        for user, item, plays in sequences.lines(folder / name)
    ]
    return sequences.numbered(pd.DataFrame(rows, columns=sequences.COLUMNS))
