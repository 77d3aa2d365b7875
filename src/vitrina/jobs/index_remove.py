"""Product ids → an index without these products."""

from __future__ import annotations

from collections.abc import Sequence

from vitrina.jobs.result import JobResult


class IndexRemoveResult(JobResult):
    """`unknown`: ids that were not there; `rows`: products in the index now."""

    index: str
    removed: int
    unknown: list[str]
    rows: int


def index_remove(index: str, ids: Sequence[str]) -> IndexRemoveResult:
    """Remove products; an id that is not there is reported and changes nothing, so a repeated call is harmless.

    Raises:
        UsageError: no ids. ArtifactError: no index, or a damaged one. ServiceError: another process is writing.
    """
    from vitrina.errors import UsageError
    from vitrina.search import open_index

    if not ids:
        raise UsageError("Give at least one product id.")
    opened = open_index(index)
    change = opened.remove(ids)
    return IndexRemoveResult(
        index=str(index), removed=change.removed, unknown=list(change.unknown), rows=opened.facts.rows
    )
