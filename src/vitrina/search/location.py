"""Where an index is: a folder, or a schema of a PostgreSQL database, `postgresql://user@host/database#schema`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from vitrina.errors import DataError
from vitrina.search.engine import Entries, Facts, Index, Origin, Progress

POSTGRES = ("postgresql://", "postgres://")


def open_index(location: str | Path, *, version: str | None = None, verify: bool = False) -> Index:
    """Open an index to search or change it.

    Args:
        version: the model version that will ask; an index of another one is refused.
        verify: compare all checksums, not the sizes alone.

    Raises:
        ArtifactError: no index, a damaged one, or one of another model version. ServiceError: no such database.
    """
    if str(location).startswith(POSTGRES):
        from vitrina.search.pgvector import PgvectorIndex

        return PgvectorIndex(str(location), version=version)
    from vitrina.search.embedded import EmbeddedIndex

    return EmbeddedIndex(Path(location), version=version, verify=verify)


def build_index(
    location: str | Path,
    entries: Iterable[Entries],
    *,
    model: str,
    version: str,
    progress: Progress | None = None,
) -> Facts:
    """Build an index, or replace the one that is there; readers see the old one until the new one is complete.

    Raises:
        DataError: no entries, or one that cannot be indexed. UsageError: a folder that holds something else.
        ServiceError: another process is writing, or no such database.
    """
    pieces: Iterator[Entries] = (each for each in entries if len(each.rows))
    first = next(pieces, None)
    if first is None:
        raise DataError("There is nothing to index.")
    origin = Origin(model, version, first.vectors.shape[-1])
    pieces = chain([first], pieces)
    if str(location).startswith(POSTGRES):
        from vitrina.search.pgvector import build_pgvector

        return build_pgvector(str(location), pieces, origin, progress)
    from vitrina.search.embedded import build_embedded

    return build_embedded(Path(location), pieces, origin, progress)
