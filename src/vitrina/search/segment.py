"""A segment: some rows of an index in a folder that never changes once written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitrina.search.engine import Entries, Progress
from vitrina.search.lexical import Lexicon, Postings, postings
from vitrina.search.manifest import SegmentFacts
from vitrina.search.rows import Rows, stored, write_rows
from vitrina.search.vectors import CHUNK, RAW, VectorStore, write_faiss

if TYPE_CHECKING:
    import pyarrow as pa


class Segment:
    """An opened segment: everything memory-mapped.

    Attributes:
        live: (rows,) bool, False where a row was removed; None where none was.
    """

    def __init__(self, folder: Path, facts: SegmentFacts, dimension: int) -> None:
        self.facts = facts
        self.rows = Rows(folder / facts.name)
        self.vectors = VectorStore(folder / facts.name, facts.rows, dimension)
        self.lexicon = Lexicon.open(folder / facts.name)
        self.live = None if facts.mask is None else ~np.load(folder / facts.mask)

    def __len__(self) -> int:
        return self.facts.rows

    def kept(self) -> np.ndarray:
        """(rows,) bool: the rows that were not removed."""
        return np.ones(len(self), bool) if self.live is None else self.live


class SegmentWriter:
    """Collects rows and writes them as a segment; vectors go to disk at once."""

    def __init__(self, folder: Path, dimension: int, progress: Progress | None = None) -> None:
        self.rows = 0
        self._folder, self._dimension, self._progress = folder, dimension, progress
        self._tables: list[pa.Table] = []
        self._postings: list[Postings] = []

    def add(self, entries: Entries) -> None:
        """Append checked entries."""
        self._append(stored(entries.rows), entries.vectors, postings(entries.texts, self.rows))

    def merge(self, segment: Segment) -> None:
        """Append the rows of another segment that were not removed."""
        kept = segment.kept()
        self._postings.append(segment.lexicon.kept(kept, self.rows))
        for start in range(0, len(segment), CHUNK):
            part = kept[start : start + CHUNK]
            table = segment.rows.table.slice(start, CHUNK).filter(part)
            self._append(stored(table), segment.vectors.read(start, start + CHUNK)[part])

    def finish(self) -> None:
        """Write what was collected; at least one row."""
        self._tell("indexing")
        write_rows(self._folder, self._tables)
        Lexicon.of(self._postings, self.rows).write(self._folder)
        write_faiss(self._folder, self.rows, self._dimension)

    def _append(self, table: pa.Table, vectors: np.ndarray, tokens: Postings | None = None) -> None:
        with (self._folder / RAW).open("ab") as file:
            file.write(vectors.astype(np.float16).tobytes())
        self._tables.append(table)
        if tokens is not None:
            self._postings.append(tokens)
        self.rows += len(table)
        self._tell("reading")

    def _tell(self, what: str) -> None:
        if self._progress is not None:
            self._progress(what, self.rows)
