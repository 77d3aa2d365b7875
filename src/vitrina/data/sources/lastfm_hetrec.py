"""Last.fm listening (HetRec 2011) as LightGCN's authors cut it: user, artist, plays; a training and a test file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows, sequences

NAME = "lastfm_hetrec"
TABLE = "interactions"
TRAINING, TEST = "data1.txt.gz", "test1.txt.gz"
TEST_BEGINS = pd.Timestamp("2011-01-01", tz="UTC")
SECONDS = [pd.Timedelta(seconds=second) for second in range(64)]


def matches(folder: Path) -> bool:
    """Whether both files lie in `folder`."""
    return (folder / TRAINING).is_file() and (folder / TEST).is_file()


def views(plays: int) -> int:
    """How many views stand for so many plays: one more for each doubling, so that a thousand plays are ten."""
    return max(plays, 1).bit_length()


def read(folder: Path) -> RawRows:
    """An artist of a user as `views` of the number of plays, a second apart.

    No time is published: training rows begin at one moment for all, test rows at `TEST_BEGINS`, which is later.
    """
    parts = [(TRAINING, sequences.FIRST), (TEST, TEST_BEGINS)]
    rows = [
        (user, sequences.product_id(NAME, item), "view", None, moment + SECONDS[place])
        for name, moment in parts
        for user, item, plays in sequences.lines(folder / name)
        for place in range(views(int(float(plays))))
    ]
    return sequences.numbered(pd.DataFrame(rows, columns=sequences.COLUMNS))
