"""Amazon purchases as S3-Rec (Zhou et al., 2020) published them: each user's products in order of time, 5-core."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows, sequences
from vitrina.errors import DataError

TABLE = "interactions"
ATTRIBUTES = "item2attributes.json.gz"


def matches(folder: Path) -> bool:
    """Whether attributes and one file of sequences lie in `folder`."""
    return (folder / ATTRIBUTES).is_file() and len(list(folder.glob("*.txt.gz"))) == 1


def sequences_file(folder: Path) -> Path:
    """The one file of user lines.

    Raises:
        DataError: when there is none, or several.
    """
    found = sorted(folder.glob("*.txt.gz"))
    if len(found) != 1:
        raise DataError(f"{folder} must hold one .txt.gz of sequences, it has {len(found)}.")
    return found[0]


def read(folder: Path) -> RawRows:
    """One purchase for each product of a user, a day apart in the order of the line."""
    return sequences.interactions(folder.name, sequences.lines(sequences_file(folder)), "purchase")
