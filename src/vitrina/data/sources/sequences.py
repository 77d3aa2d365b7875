"""Published sets of `user item item …` lines: shared by their layouts.

Their item ids count up by first appearance, so that an id says what is new and what comes next: every id becomes a hash
of itself. Where no time is published, the place in the sequence becomes one, a day a step.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from vitrina.data.sources import RawRows
from vitrina.errors import DataError

FIRST = pd.Timestamp("2000-01-01", tz="UTC")
STEP = pd.Timedelta(days=1)
COLUMNS = ["user_id", "product_id", "event", "value", "timestamp"]


def product_id(name: str, item: str) -> str:
    """The id of an item of the set `name`: twelve hexadecimal digits that say nothing about its order."""
    return hashlib.blake2b(f"{name}\x1f{item}".encode(), digest_size=6).hexdigest()


def lines(path: Path) -> list[list[str]]:
    """The fields of every line that has any; plain or gzip.

    Raises:
        DataError: when the file is no text.
    """
    return list(_fields(path))


def first_line(path: Path) -> list[str]:
    """The fields of the first line that has any; raises what `lines` raises."""
    return next(_fields(path), [])


def _fields(path: Path) -> Iterator[list[str]]:
    opening = gzip.open if path.suffix == ".gz" else open
    try:
        with opening(path, "rt", encoding="utf-8") as file:
            yield from (fields for line in file if (fields := line.split()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def interactions(name: str, sequences: Iterable[Sequence[str]], event: str) -> RawRows:
    """One `event` for each item after the user, in the order of the line."""
    rows = [
        (user, product_id(name, item), event, None, place)
        for user, *items in sequences
        for place, item in enumerate(items)
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["timestamp"] = FIRST + frame["timestamp"] * STEP
    return numbered(frame)


def catalogue(name: str, items: Iterable[str]) -> pd.DataFrame:
    """Products of which nothing is known: the id is the title."""
    ids = sorted({product_id(name, item) for item in items})
    return pd.DataFrame({"product_id": ids, "title": ids})


def numbered(frame: pd.DataFrame) -> RawRows:
    """Rows numbered from 1."""
    return RawRows(frame.set_axis(range(1, len(frame) + 1)))
