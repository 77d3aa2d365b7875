"""The vector indexes that were compared, each behind the same four calls, in the settings its documentation proposes.

Only the shipped one is a dependency; the others: uv pip install usearch hnswlib lancedb.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from _vectors import Catalogue, Piece

from vitrina.search import Entries, Filters, Index, build_index, open_index

LINKS, BUILD_EFFORT, SEARCH_EFFORT = 16, 128, 64
"""Of the HNSW graphs."""


class Engine(Protocol):
    """An index on disk; ids are the row numbers of the catalogue."""

    filters: bool

    def build(self, folder: Path, pieces: Iterable[Piece]) -> None: ...

    def open(self, folder: Path) -> None: ...

    def search(self, vector: np.ndarray, k: int, category: str | None = None) -> list[int]: ...

    def add(self, folder: Path, piece: Piece, first: int) -> None: ...

    def remove(self, folder: Path, rows: Iterable[int]) -> None: ...


class Vitrina:
    """The shipped index: faiss inverted file of 8-bit numbers, ranked again with 16-bit ones."""

    filters = True

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._index: Index | None = None

    def entries(self, piece: Piece, first: int) -> Entries:
        ids = [str(first + row) for row in range(len(piece.names))]
        titles = [self._catalogue.names[name] for name in piece.names]
        columns = {
            "product_id": ids,
            "title": titles,
            "category": self._catalogue.categories[piece.names].tolist(),
            "price": piece.prices,
            "currency": ["EUR"] * len(ids),
            "language": ["en"] * len(ids),
        }
        return Entries(pa.table(columns), piece.vectors, titles)

    def build(self, folder: Path, pieces: Iterable[Piece]) -> None:
        build_index(folder, _counted(self, pieces), model="benchmark", version="1")

    def open(self, folder: Path) -> None:
        self._index = open_index(folder, version="1")

    def search(self, vector: np.ndarray, k: int, category: str | None = None) -> list[int]:
        assert self._index is not None
        hits = self._index.search(vector=vector, k=k, filters=Filters(category=category))
        return [int(hit.product_id) for hit in hits]

    def add(self, folder: Path, piece: Piece, first: int) -> None:
        open_index(folder).add([self.entries(piece, first)])

    def remove(self, folder: Path, rows: Iterable[int]) -> None:
        open_index(folder).remove(str(row) for row in rows)


def _counted(engine: Vitrina, pieces: Iterable[Piece]) -> Iterable[Entries]:
    first = 0
    for piece in pieces:
        yield engine.entries(piece, first)
        first += len(piece.names)


class Usearch:
    """usearch: HNSW over 8-bit numbers, memory-mapped; its Python interface has no filter."""

    filters = False

    def __init__(self, catalogue: Catalogue) -> None:
        self._index: Any = None

    def build(self, folder: Path, pieces: Iterable[Piece]) -> None:
        from usearch.index import Index as Graph

        first, graph = 0, None
        for piece in pieces:
            graph = graph or Graph(
                ndim=piece.vectors.shape[1],
                metric="ip",
                dtype="i8",
                connectivity=LINKS,
                expansion_add=BUILD_EFFORT,
                expansion_search=SEARCH_EFFORT,
            )
            graph.add(np.arange(first, first + len(piece.names)), piece.vectors, threads=1)
            first += len(piece.names)
        assert graph is not None
        folder.mkdir()
        graph.save(str(folder / "graph"))

    def open(self, folder: Path) -> None:
        from usearch.index import Index as Graph

        self._index = Graph.restore(str(folder / "graph"), view=True)
        self._index.expansion_search = SEARCH_EFFORT

    def search(self, vector: np.ndarray, k: int, category: str | None = None) -> list[int]:
        return self._index.search(vector, k).keys.tolist()

    def add(self, folder: Path, piece: Piece, first: int) -> None:
        from usearch.index import Index as Graph

        graph = Graph.restore(str(folder / "graph"))
        graph.add(np.arange(first, first + len(piece.names)), piece.vectors, threads=1)
        graph.save(str(folder / "graph"))

    def remove(self, folder: Path, rows: Iterable[int]) -> None:
        from usearch.index import Index as Graph

        graph = Graph.restore(str(folder / "graph"))
        graph.remove(np.fromiter(rows, np.int64))
        graph.save(str(folder / "graph"))


class Hnswlib:
    """hnswlib: HNSW over 32-bit numbers, read into memory; filters call back into Python."""

    filters = True

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._graph: Any = None
        self._names = np.empty(0, np.int64)

    def build(self, folder: Path, pieces: Iterable[Piece]) -> None:
        import hnswlib

        whole = list(pieces)
        vectors = np.concatenate([piece.vectors for piece in whole])
        graph = hnswlib.Index("ip", vectors.shape[1])
        graph.init_index(len(vectors) + 10_000, ef_construction=BUILD_EFFORT, M=LINKS)
        graph.add_items(vectors, num_threads=1)
        folder.mkdir()
        np.save(folder / "names.npy", np.concatenate([piece.names for piece in whole]))
        np.save(folder / "width.npy", vectors.shape[1])
        graph.save_index(str(folder / "graph"))

    def open(self, folder: Path) -> None:
        import hnswlib

        self._graph = hnswlib.Index("ip", int(np.load(folder / "width.npy")))
        self._graph.load_index(str(folder / "graph"))
        self._graph.set_ef(SEARCH_EFFORT)
        self._graph.set_num_threads(1)
        self._names = np.load(folder / "names.npy")

    def search(self, vector: np.ndarray, k: int, category: str | None = None) -> list[int]:
        if category is None:
            return self._graph.knn_query(vector, k)[0][0].tolist()
        passing = set(np.flatnonzero(self._catalogue.categories[self._names] == category).tolist())
        try:
            return self._graph.knn_query(vector, min(k, len(passing)), filter=passing.__contains__)[0][0].tolist()
        except RuntimeError:  # it says so when the graph around the query holds fewer that pass
            return []

    def add(self, folder: Path, piece: Piece, first: int) -> None:
        self.open(folder)
        self._graph.add_items(piece.vectors, np.arange(first, first + len(piece.names)), num_threads=1)
        self._graph.save_index(str(folder / "graph"))

    def remove(self, folder: Path, rows: Iterable[int]) -> None:
        self.open(folder)
        for row in rows:
            self._graph.mark_deleted(row)
        self._graph.save_index(str(folder / "graph"))


class Lance:
    """LanceDB: a table with an inverted file; `IVF_PQ` or `IVF_HNSW_SQ`, ranked again with the stored vectors."""

    filters = True

    def __init__(self, catalogue: Catalogue, kind: str = "IVF_PQ") -> None:
        self._catalogue = catalogue
        self._kind = kind
        self._table: Any = None

    def _rows(self, piece: Piece, first: int) -> pa.Table:
        flat = pa.array(piece.vectors.ravel())
        columns = {
            "id": np.arange(first, first + len(piece.names)),
            "vector": pa.FixedSizeListArray.from_arrays(flat, piece.vectors.shape[1]),
            "category": self._catalogue.categories[piece.names].tolist(),
            "price": piece.prices,
        }
        return pa.table(columns)

    def build(self, folder: Path, pieces: Iterable[Piece]) -> None:
        import lancedb

        table, first = None, 0
        for piece in pieces:
            rows = self._rows(piece, first)
            table = lancedb.connect(folder).create_table("products", rows) if table is None else table
            if first:
                table.add(rows)
            first += len(piece.names)
        assert table is not None
        table.create_index(metric="dot", index_type=self._kind)
        table.create_scalar_index("category")

    def open(self, folder: Path) -> None:
        import lancedb

        self._table = lancedb.connect(folder).open_table("products")

    def search(self, vector: np.ndarray, k: int, category: str | None = None) -> list[int]:
        asked = self._table.search(vector).distance_type("dot").limit(k).nprobes(20).refine_factor(4).select(["id"])
        if category is not None:
            quoted = category.replace("'", "''")
            asked = asked.where(f"category = '{quoted}'", prefilter=True)
        return asked.to_arrow().column("id").to_pylist()

    def add(self, folder: Path, piece: Piece, first: int) -> None:
        self.open(folder)
        self._table.add(self._rows(piece, first))
        self._table.optimize()

    def remove(self, folder: Path, rows: Iterable[int]) -> None:
        self.open(folder)
        self._table.delete(f"id in ({', '.join(str(row) for row in rows)})")


ENGINES = {
    "vitrina": Vitrina,
    "usearch": Usearch,
    "hnswlib": Hnswlib,
    "lancedb_pq": Lance,
    "lancedb_hnsw_sq": lambda catalogue: Lance(catalogue, "IVF_HNSW_SQ"),
}


def fresh(folder: Path) -> Path:
    """The folder, gone if it was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder
