"""Search over a million product vectors: speed, recall against exact search, size, memory, changes, filters.

The vectors are made from real product names (`_vectors.py`); queries are products that are not indexed. Every engine
is built, searched and changed in processes of its own, one thread each; memory is what searching takes on top.
`--compare` measures the alternatives (`_vector_engines.py`) beside it on fewer rows. Needs VITRINA_DATA.

python benchmarks/vector_search.py --compare
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import _lexical_engines
import faiss
import numpy as np
import psutil
from _results import ROOT, figure, report
from _vector_engines import ENGINES, Vitrina, fresh
from _vectors import DIMENSION, PIECE, QUERIES, Catalogue, exact

from vitrina.search import open_index
from vitrina.settings import disable_telemetry

K = 10
CACHE = ROOT / ".vitrina" / "benchmarks" / "vector_search"
ROUNDS = 8
"""Times the queries are run; the round with the least p50 is reported: other work shares the machine."""

CHANGED = 1000
"""Products added, then removed."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--compare", action="store_true", help="measure the alternatives too, on --compare-rows")
    parser.add_argument("--compare-rows", type=int, default=50_000)
    parser.add_argument("--step", nargs=2, metavar=("STEP", "ENGINE"), help="run one step in this process (internal)")
    parser.add_argument("--dimension", type=int, default=DIMENSION, help="of that step")
    options = parser.parse_args()
    disable_telemetry()
    faiss.omp_set_num_threads(1)
    if options.step:
        print(json.dumps(step(*options.step, options.rows, options.queries, options.dimension)))
        return
    started = time.perf_counter()
    figures = []
    for dimension in (DIMENSION, 256):
        figures += shipped(options.rows, options.queries, dimension)
    if options.compare:
        figures += compared(options.compare_rows, options.queries)
        figures += lexical_engines()
    report("vector_search", figures, time.perf_counter() - started)


def shipped(rows: int, queries: int, dimension: int) -> list[dict]:
    """The figures of the shipped index."""
    found = measured("vitrina", rows, queries, dimension)
    label = f"{rows:,} × {dimension}"
    targets = {"p50": 5, "recall": 0.98} if dimension == DIMENSION else {}
    units = {
        "recall": (f"recall@{K} against exact", "share", "higher"),
        "p50": ("search p50", "ms", "lower"),
        "p99": ("search p99", "ms", "lower"),
        "filtered_recall": (f"recall@{K} within the query's category", "share", "higher"),
        "filtered_p50": ("search p50 within the query's category, processor time", "ms", "lower"),
        "cpu_p50": ("search p50, processor time", "ms", "lower"),
        "build": ("build", "s", "lower"),
        "build_cpu": ("build, processor time", "s", "lower"),
        "bytes": ("size on disk", "GB", "lower"),
        "memory": ("resident memory of searching, files mapped", "GB", "lower"),
        "opened": ("open", "ms", "lower"),
        "add": (f"add {CHANGED} products", "s", "lower"),
        "remove": (f"remove {CHANGED} products", "s", "lower"),
        "hybrid_p50": ("hybrid search p50, processor time", "ms", "lower"),
        "lexical_p50": ("lexical search p50, processor time", "ms", "lower"),
    }
    return [
        figure(f"{label}: {name}", found[key], unit, better, targets.get(key))
        for key, (name, unit, better) in units.items()
        if key in found
    ]


def compared(rows: int, queries: int) -> list[dict]:
    """The same measures of every engine; the alternatives stand beside the shipped one as baselines."""
    found = {name: measured(name, rows, queries, DIMENSION) for name in ENGINES}
    ours = found.pop("vitrina")
    better = {"recall": "higher", "filtered_recall": "higher"}
    return [
        figure(
            f"{rows:,} × {DIMENSION}, side by side: {key}",
            ours[key],
            "",
            better.get(key, "lower"),
            **{name: each[key] for name, each in found.items() if key in each},
        )
        for key in ours
    ]


def lexical_engines() -> list[dict]:
    """BM25 by the shipped postings and by two libraries, over the real names."""
    names = Catalogue(CACHE).names
    return _lexical_engines.figures(names, [misspelt(name) for name in names[::300]], CACHE / "lexical")


def measured(engine: str, rows: int, queries: int, dimension: int) -> dict[str, float]:
    """Every step of one engine, each in a process of its own."""
    merged: dict[str, float] = {}
    for name in ("build", "search", "change"):
        polite = ["nice", "-n", "10"] if name == "build" else []
        command = [*polite, sys.executable, __file__, "--step", name, engine, "--rows", str(rows)]
        command += ["--queries", str(queries), "--dimension", str(dimension)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{engine}, {name}: {done.stderr}")
        merged |= json.loads(done.stdout.splitlines()[-1])
        print(engine, rows, dimension, merged, file=sys.stderr, flush=True)
    return merged


def step(name: str, engine: str, rows: int, queries: int, dimension: int) -> dict[str, float]:
    catalogue = Catalogue(CACHE)
    folder = CACHE / f"{engine}-{rows}-{dimension}"
    made = ENGINES[engine](catalogue)
    if name == "build":
        return built(made, fresh(folder), catalogue, rows, dimension)
    if name == "change":
        return changed(made, folder, catalogue, rows, dimension)
    return searched(made, folder, catalogue, queries, dimension, truth(catalogue, rows, queries, dimension))


def built(engine: Any, folder: Path, catalogue: Catalogue, rows: int, dimension: int) -> dict[str, float]:
    """Seconds to build, without those to make the vectors; bytes in GB."""
    making = np.zeros(2)

    def clocks() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def pieces() -> Any:
        nonlocal making
        source = catalogue.pieces(rows, dimension)
        while True:
            started = clocks()
            piece = next(source, None)
            making += clocks() - started
            if piece is None:
                return
            yield piece

    started = clocks()
    engine.build(folder, pieces())
    wall, processor = clocks() - started - making
    return {
        "build": wall,
        "build_cpu": processor,
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9,
    }


def searched(
    engine: Any, folder: Path, catalogue: Catalogue, queries: int, dimension: int, truths: list[np.ndarray]
) -> dict[str, float]:
    asked = catalogue.piece(QUERIES, queries, dimension)
    categories = catalogue.categories[asked.names]
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    engine.open(folder)
    opened = time.perf_counter() - started
    answers, *_ = timed(lambda row: engine.search(asked.vectors[row], K), queries)
    memory = psutil.Process().memory_info().rss - before
    rounds = [timed(lambda row: engine.search(asked.vectors[row], K), queries) for _ in range(ROUNDS)]
    _, times, processor = min(rounds, key=lambda each: float(np.median(each[1])))
    found = {
        "recall": recall(answers, truths[0]),
        "p50": float(np.percentile(times, 50)),
        "p99": float(np.percentile(times, 99)),
        "cpu_p50": float(np.median(processor)),
        "memory": memory / 1e9,
        "opened": opened * 1e3,
    }
    if engine.filters:
        answers, _, processor = timed(lambda row: engine.search(asked.vectors[row], K, categories[row]), queries)
        found |= {"filtered_recall": recall(answers, truths[1]), "filtered_p50": float(np.median(processor))}
    if isinstance(engine, Vitrina):
        found |= worded(folder, [catalogue.names[name] for name in asked.names], asked.vectors)
    return found


def worded(folder: Path, texts: list[str], vectors: np.ndarray) -> dict[str, float]:
    """Processor time, in milliseconds, of searches with words: the query is the misspelt name of a product."""
    index = open_index(folder)
    typed = [misspelt(text) for text in texts[:200]]
    *_, lexical = timed(lambda row: index.search(typed[row], k=K, mode="lexical"), len(typed))
    *_, hybrid = timed(lambda row: index.search(typed[row], vectors[row], k=K), len(typed))
    return {"lexical_p50": float(np.median(lexical)), "hybrid_p50": float(np.median(hybrid))}


def misspelt(text: str) -> str:
    """The text with its fourth and fifth letter swapped."""
    return text[:3] + text[4:5] + text[3:4] + text[5:]


def timed(run: Any, count: int) -> tuple[list[Any], list[float], list[float]]:
    """The answers, and milliseconds of each: by the clock, and of the processor (the machine may be shared)."""
    answers, times, processor = [], [], []
    for row in range(count):
        started, used = time.perf_counter(), time.process_time()
        answers.append(run(row))
        times.append((time.perf_counter() - started) * 1e3)
        processor.append((time.process_time() - used) * 1e3)
    return answers, times, processor


def recall(answers: list[list[int]], truth: np.ndarray) -> float:
    """Share of the true neighbours found; where fewer than `K` products pass, of these."""
    true = [set(row[row >= 0].tolist()) for row in truth]
    return float(
        np.mean([len(rows & set(found)) / len(rows) for rows, found in zip(true, answers, strict=True) if rows])
    )


def changed(engine: Any, folder: Path, catalogue: Catalogue, rows: int, dimension: int) -> dict[str, float]:
    piece = catalogue.piece(rows // PIECE + 1, CHANGED, dimension)
    started = time.perf_counter()
    engine.add(folder, piece, rows)
    added = time.perf_counter() - started
    started = time.perf_counter()
    engine.remove(folder, range(rows, rows + CHANGED))
    return {"add": added, "remove": time.perf_counter() - started}


def truth(catalogue: Catalogue, rows: int, queries: int, dimension: int) -> list[np.ndarray]:
    """Exact neighbours, of all products and within the query's category; kept for the next run."""
    path = CACHE / f"truth-{rows}-{queries}-{dimension}.npy"
    if not path.is_file():
        np.save(path, np.stack(exact(catalogue, rows, catalogue.piece(QUERIES, queries, dimension), K)))
    return list(np.load(path))


if __name__ == "__main__":
    main()
