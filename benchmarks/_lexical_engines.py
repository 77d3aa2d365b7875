"""BM25 of the same tokens by three engines: the shipped postings, SQLite's FTS5, bm25s (uv pip install bm25s)."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _results import figure

from vitrina.search.fusion import top
from vitrina.search.lexical import K1, B, Lexicon, Query, analyse, postings
from vitrina.search.ranking import FINALISTS

K = 10
Search = Callable[[str], list[int]]


def shipped(texts: Sequence[str], folder: Path) -> Search:
    Lexicon.of([postings(texts)], len(texts)).write(folder)
    lexicon = Lexicon.open(folder)

    def search(text: str) -> list[int]:
        query = Query(text, [lexicon])
        (scores,), complete = query.promising()
        matching = np.flatnonzero(scores)
        rows = matching[top(scores[matching], FINALISTS)]
        return rows[top(scores[rows] if complete else query.scores_of(0, rows), K)].tolist()

    return search


def fts5(texts: Sequence[str], folder: Path) -> Search:
    connection = sqlite3.connect(folder / "fts5.db")
    connection.execute("DROP TABLE IF EXISTS products")
    connection.execute("CREATE VIRTUAL TABLE products USING fts5(tokens, detail='none', content='')")
    rows = ((number, _words(text)) for number, text in enumerate(texts, 1))
    connection.executemany("INSERT INTO products(rowid, tokens) VALUES (?, ?)", rows)
    connection.commit()
    asked = f"SELECT rowid FROM products WHERE products MATCH ? ORDER BY bm25(products) LIMIT {K}"
    return lambda text: [row[0] - 1 for row in connection.execute(asked, [" OR ".join(set(_words(text).split()))])]


def bm25s(texts: Sequence[str], folder: Path) -> Search:
    import bm25s as library

    index = library.BM25(k1=K1, b=B)
    index.index([_words(text).split() for text in texts], show_progress=False)
    index.save(folder / "bm25s")
    index = library.BM25.load(folder / "bm25s", mmap=True)
    return lambda text: index.retrieve([_words(text).split()], k=K, show_progress=False)[0][0].tolist()


def _words(text: str) -> str:
    return " ".join(f"t{token}" for token in analyse(text))


ENGINES = {"vitrina": shipped, "fts5": fts5, "bm25s": bm25s}


def figures(texts: Sequence[str], asked: Sequence[str], folder: Path) -> list[dict]:
    """Seconds to index and milliseconds to search, of the processor: the machine may be shared."""
    folder.mkdir(parents=True, exist_ok=True)
    build, search = {}, {}
    for name, make in ENGINES.items():
        started = time.process_time()
        run = make(texts, folder)
        build[name] = time.process_time() - started
        times = []
        for text in asked:
            started = time.thread_time()
            run(text)
            times.append((time.thread_time() - started) * 1e3)
        search[name] = float(np.percentile(times, 50))
    label = f"{len(texts):,} titles, words and n-grams"
    return [
        figure(f"{label}: {what}", values.pop("vitrina"), unit, "lower", **values)
        for what, unit, values in (("index, processor time", "s", build), ("search p50, processor time", "ms", search))
    ]
