"""Readers: a shop's own files, and published sets as they are laid out by their authors."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import pandas as pd

from vitrina.errors import UsageError

LAYOUTS = (
    *("clinc150", "banking77", "hwu64", "snips", "photos", "fashion_products", "fashion_products_photos"),
    *("ditto_catalogue", "ditto_pairs", "omniglot", "omniglot_catalogue"),
    "womens_clothing_reviews",
    *("gowalla", "gowalla_catalogue", "lastfm_hetrec", "lastfm_hetrec_catalogue"),
    *("amazon_sequences", "amazon_sequences_catalogue"),
    "e2e_nlg",
    *("fashion_mnist", "fashion_mnist_catalogue"),
)


@dataclass(frozen=True)
class Rejected:
    """A row that could not even be split into columns."""

    row: int
    reason: str
    content: str


@dataclass(frozen=True)
class RawRows:
    """What a reader found.

    Attributes:
        frame: the source's own columns; the index is the row number in the source, from 1, headings not counted.
        rejected: rows that are not in `frame`.
    """

    frame: pd.DataFrame
    rejected: list[Rejected] = field(default_factory=list)


class Layout(Protocol):
    """A module of this package that reads one folder layout."""

    TABLE: str

    def matches(self, folder: Path) -> bool:
        """Whether the files of `folder` can only be this layout."""

    def read(self, folder: Path) -> RawRows:
        """Read the folder into the columns of the canonical table."""


def layout(name: str) -> Layout:
    """The reader of a layout.

    Raises:
        UsageError: when there is no such layout; lists those that are.
    """
    if name not in LAYOUTS:
        raise UsageError(f"There is no layout '{name}'. Known: {', '.join(LAYOUTS)}.")
    return cast(Layout, importlib.import_module(f"vitrina.data.sources.{name}"))


def guess(folder: Path) -> str:
    """The one layout that the files of `folder` can have.

    Raises:
        UsageError: when none or several fit.
    """
    fitting = [name for name in LAYOUTS if layout(name).matches(folder)]
    if len(fitting) != 1:
        found = " or ".join(fitting) or "none that is known"
        raise UsageError(f"The layout of {folder} could be {found}; say --layout {'|'.join(LAYOUTS)}.")
    return fitting[0]
