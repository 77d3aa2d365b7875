"""A model and a catalogue → an index to search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.search.engine import Progress


class IndexBuildResult(JobResult):
    """`version`: the start of the model's manifest digest; only that model may search the index by vector."""

    index: str
    model: str
    version: str
    dimension: int
    rows: int
    seconds: float


def index_build(
    model: str, catalogue: Path, output: str, *, images: Path | None = None, progress: Progress | None = None
) -> IndexBuildResult:
    """Embed a catalogue and index it; an index that is there is replaced once the new one is complete.

    Args:
        model: a model folder, or `models:/<name>@champion`, `models:/<name>/<version>`.
        catalogue: a canonical catalogue, or a folder of such files; files that have an `embedding` column
            (`vitrina.search.shards`) are indexed as they are, and the model is not run.
        output: a folder, or `postgresql://user@host/database#schema`.
        images: the `images` table, for a model that reads photos.
        progress: told what is being done, and how many rows are done.

    Raises:
        UsageError: no such catalogue, a model that cannot embed products, a folder that holds something else.
        DataError: an empty or broken catalogue, a product given twice, embeddings of another model version.
        ServiceError: another process is writing the index.
    """
    import time

    from vitrina.jobs.index_entries import catalogue_entries, embedder_of
    from vitrina.search import build_index

    started = time.perf_counter()
    embedder = embedder_of(model)
    entries = catalogue_entries(Path(catalogue), embedder, images)
    built = build_index(output, entries, model=embedder.model, version=embedder.version, progress=progress)
    return IndexBuildResult(
        index=str(output),
        model=built.model,
        version=built.version,
        dimension=built.dimension,
        rows=built.rows,
        seconds=round(time.perf_counter() - started, 2),
    )
