"""Nearest vectors of one segment: a memory-mapped faiss index proposes candidates, stored half floats rank them.

Two files. `vectors.f16` holds every vector as written, 16 bits a number, and is the truth: it ranks candidates, scores
the products that lexical search found, and is what merging reads. `vectors.faiss` holds 8 bits a number (scalar
quantization) and finds candidates: all of a small segment in a scan, the nearest cells of a large one (inverted file,
Jégou et al., 2011).
"""

from __future__ import annotations

import math
from errno import ENOENT
from pathlib import Path
from typing import Any

import numpy as np

from vitrina.errors import ArtifactError

RAW = "vectors.f16"
FAISS = "vectors.faiss"
SCANNED = 20_000
"""Up to so many rows every vector is compared; more rows are divided into cells."""

PROBED = 16
"""Cells looked into per query."""

CANDIDATES = 4
"""Candidates ranked again, as a multiple of k, at least `LEAST_CANDIDATES`."""

LEAST_CANDIDATES = 40
FEW = 1000
"""Up to so many rows that pass a filter are all compared as stored."""

TRAINED_ON = 50
"""Vectors a cell that the cells are learned from."""

CHUNK = 20_000


class VectorStore:
    """The vectors of one segment, memory-mapped."""

    def __init__(self, folder: Path, rows: int, dimension: int) -> None:
        import faiss

        self.rows = rows
        self._raw = np.memmap(folder / RAW, np.float16, "r", shape=(rows, dimension))
        try:
            self._faiss = faiss.read_index(str(folder / FAISS), faiss.IO_FLAG_MMAP)
        except RuntimeError as error:
            if not (folder / FAISS).exists():  # another process has just replaced it
                raise FileNotFoundError(ENOENT, "gone", str(folder / FAISS)) from error
            raise ArtifactError(f"{folder / FAISS} cannot be read; build the index again.") from error
        self._cells = getattr(self._faiss, "nlist", 0)
        if self._cells:
            # Threads that read ahead pay off on a disk; here they cost more than a search.
            faiss.downcast_InvertedLists(self._faiss.invlists).prefetch_nthread = 0

    def nearest(self, query: np.ndarray, k: int, passing: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The best `k` rows and their cosines, best first; `passing` (rows,) bool limits the rows."""
        count = self.rows if passing is None else int(np.count_nonzero(passing))
        if count == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        wanted = min(max(CANDIDATES * k, LEAST_CANDIDATES), count)
        if passing is not None and count <= FEW:
            found = np.flatnonzero(passing)
        else:
            found = self._faiss.search(query[None], wanted, params=self._parameters(passing, count, wanted))[1][0]
            found = found[found >= 0]
        scores = self.scores(query, found)
        order = np.argsort(-scores, kind="stable")[:k]
        return found[order], scores[order]

    def scores(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Cosines of `query` with some rows, float32."""
        return self._raw[rows].astype(np.float32) @ query

    def read(self, start: int, stop: int) -> np.ndarray:
        """Vectors `start` to `stop`, float32."""
        return self._raw[start:stop].astype(np.float32)

    def _parameters(self, passing: np.ndarray | None, count: int, wanted: int) -> Any:
        """Fewer rows pass: look into more cells, so that as many vectors are compared, at least four times `wanted`."""
        import faiss

        selector = None
        if passing is not None:
            bits = np.packbits(passing, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        if not self._cells:
            return faiss.SearchParameters(sel=selector)
        share = max(PROBED / self._cells, 4 * wanted / self.rows) * self.rows / count
        return faiss.SearchParametersIVF(sel=selector, nprobe=min(self._cells, math.ceil(share * self._cells)))


def write_faiss(folder: Path, rows: int, dimension: int) -> None:
    """Write `vectors.faiss` from `vectors.f16` of the same folder."""
    import faiss

    raw = np.memmap(folder / RAW, np.float16, "r", shape=(rows, dimension))
    index = faiss.index_factory(dimension, description(rows), faiss.METRIC_INNER_PRODUCT)
    sample = np.arange(rows)
    if cells := getattr(index, "nlist", 0):
        index.cp.niter = 10
        drawn = np.random.default_rng(0).choice(rows, min(rows, cells * TRAINED_ON), replace=False)
        sample = np.sort(drawn)
    index.train(raw[sample].astype(np.float32))
    for start in range(0, rows, CHUNK):
        index.add(raw[start : start + CHUNK].astype(np.float32))
    faiss.write_index(index, str(folder / FAISS))


def description(rows: int) -> str:
    """faiss's name for the index of so many rows: 2·√rows cells, a power of two, from `SCANNED` rows on."""
    if rows <= SCANNED:
        return "SQ8"
    return f"IVF{2 ** round(math.log2(2 * math.sqrt(rows)))},SQ8"
