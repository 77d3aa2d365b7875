"""More products, or new versions of products, → an index that is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.search.engine import Progress


class IndexAddResult(JobResult):
    """`replaced`: products whose id was there before; `rows`: products in the index now."""

    index: str
    added: int
    replaced: int
    rows: int


def index_add(
    index: str, model: str, catalogue: Path, *, images: Path | None = None, progress: Progress | None = None
) -> IndexAddResult:
    """Add the products of a catalogue, all or none; those whose id is there are replaced.

    Args:
        index, model, catalogue, images: as for `index_build`; the model must be the one that built the index.

    Raises:
        ArtifactError: no index, a damaged one, or one of another model version. And what `index_build` raises.
    """
    from vitrina.jobs.index_entries import catalogue_entries, embedder_of
    from vitrina.search import open_index

    embedder = embedder_of(model)
    opened = open_index(index, version=embedder.version)
    change = opened.add(catalogue_entries(Path(catalogue), embedder, images), progress)
    return IndexAddResult(index=str(index), added=change.added, replaced=change.replaced, rows=opened.facts.rows)
