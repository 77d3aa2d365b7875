"""Gowalla check-ins as LightGCN (He et al., 2020) cut them: the training file, one user a line."""

from __future__ import annotations

from pathlib import Path

from vitrina.data.sources import RawRows, sequences

NAME = "gowalla"
TABLE = "interactions"
FILES = ("train.txt.gz", "train.txt")


def training_file(folder: Path) -> Path | None:
    """The file of user lines, plain or gzip."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def matches(folder: Path) -> bool:
    """Whether the training file lies in `folder`, and its first line is a user and items, all of them numbers."""
    file = training_file(folder)
    return file is not None and all(field.isdigit() for field in sequences.first_line(file))


def read(folder: Path) -> RawRows:
    """One view for each place a user checked in at; the order within a user is that of the file."""
    return sequences.interactions(NAME, sequences.lines(training_file(folder) or folder / FILES[0]), "view")
