"""Entity matching sets as Ditto lays them out (Li et al., PVLDB 2020, arXiv 2004.00584): Magellan and WDC.

One pair a line: record, tab, record, tab, 1 (the same product) or 0. A record is `COL name VAL value …`. The files are
`train.txt`, `valid.txt`, `test.txt`, gzipped or not; WDC's come in sizes (`train.txt.small`).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pandas as pd

from vitrina.errors import DataError

SPLITS = {"train": "train", "valid": "validation", "test": "test"}
SIZES = ("", ".xlarge", ".large", ".medium", ".small")
"""Samples of one pool that overlap: only the first that is there is read."""

_FIELD = re.compile(r"(?:^|\s)COL (\S+) VAL(?=\s|$)")


def size_of(folder: Path) -> str | None:
    """The largest size whose training file lies in `folder`; None: this is another layout."""
    return next((size for size in SIZES if _file(folder, "train", size) is not None), None)


def read_lines(folder: Path, size: str | None = None) -> pd.DataFrame:
    """Columns left, right (the records as written), label and split; numbered from 1 through all files.

    Args:
        size: one of `SIZES`; None: the largest that is there.

    Raises:
        DataError: when there are no such files, one is damaged, or a line is no pair.
    """
    size = size_of(folder) if size is None else size
    files = {} if size is None else {split: _file(folder, name, size) for name, split in SPLITS.items()}
    parts = [_read(path, split) for split, path in files.items() if path is not None]
    if not parts:
        raise DataError(f"{folder} has no train.txt or train.txt.gz with pairs of records.")
    rows = pd.concat(parts, ignore_index=True)
    return rows.set_axis(range(1, len(rows) + 1))


def record_id(record: str) -> str:
    """A stable name of a record: a hash of its text."""
    return hashlib.sha1(record.encode()).hexdigest()[:16]


def fields(record: str) -> dict[str, str]:
    """The columns of a record that have a value."""
    _, *pieces = _FIELD.split(record)
    values = zip(pieces[::2], pieces[1::2], strict=True)
    return {name: " ".join(value.split()) for name, value in values if value.strip()}


def _file(folder: Path, name: str, size: str) -> Path | None:
    paths = (folder / f"{name}.txt{size}{suffix}" for suffix in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def _read(path: Path, split: str) -> pd.DataFrame:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} is a damaged gzip file: {error}.") from error
    rows = []
    for number, line in enumerate(content.decode(errors="replace").removesuffix("\n").split("\n"), 1):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 3 or cells[2] not in ("0", "1"):
            raise DataError(f"{path}, line {number}: not two records and a label 0 or 1, parted by tabs.")
        rows.append((*cells, split))
    return pd.DataFrame(rows, columns=["left", "right", "label", "split"])
