"""Changing an index folder: a new segment, marks on removed rows, merging, and one rename that makes it all visible."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from filelock import FileLock, Timeout

from vitrina.artifacts import folder_files, staged_folder
from vitrina.errors import ArtifactError, ServiceError
from vitrina.search import manifest as state
from vitrina.search.engine import Change, Entries, Progress, checked
from vitrina.search.manifest import Manifest, SegmentFacts
from vitrina.search.segment import Segment, SegmentWriter

LOCK = ".lock"
PATIENCE = 30.0
"""Seconds a writer waits for another one."""

GROWTH = 4
"""A segment is merged with the newer ones once it holds less than so many times their rows."""

STALE = 0.3
"""Share of removed rows from which a segment is written anew."""

OURS = re.compile(r"\.?s\d+.*|removed-\d+.*|\.index\.json\..*|\.lock")
"""The names that writers give; whatever else is in the folder is not theirs to delete."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer.

    Raises:
        ServiceError: when another process goes on writing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout as error:
        raise ServiceError(f"Another process is writing to index {folder}; try again when it is done.") from error
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"Cannot write index {folder}: {error.strerror or error}. Nothing was changed.") from error
    finally:
        lock.release()


class IndexWriter:
    """Makes the next state of an index folder; the caller holds its lock."""

    def __init__(self, folder: Path, old: Manifest, segments: Sequence[Segment] = ()) -> None:
        self._folder = folder
        self._old = old
        self._segments = list(segments)
        self._generation = max(old.generation + 1, time.time_ns() // 1_000_000)

    def build(self, entries: Iterable[Entries], progress: Progress | None = None) -> Manifest:
        """Replace all rows; at least one."""
        written = self._write("", self._checked(entries, set()), progress)
        return self._commit([written] if written else [])

    def add(self, entries: Iterable[Entries], progress: Progress | None = None) -> Change:
        """Add rows, or replace those of the same id."""
        ids: set[str] = set()
        written = self._write("", self._checked(entries, ids), progress)
        if written is None:
            return Change()
        kept, gone = self._without(sorted(ids))
        self._commit(self._merged([*kept, written], progress))
        return Change(added=len(ids) - len(gone), replaced=len(gone))

    def remove(self, ids: Iterable[str]) -> Change:
        """Remove rows by id."""
        asked = sorted(set(ids))
        kept, gone = self._without(asked)
        if gone:
            self._commit(self._merged(kept, None))
        return Change(removed=len(gone), unknown=tuple(each for each in asked if each not in gone))

    def _checked(self, entries: Iterable[Entries], ids: set[str]) -> Iterator[Entries]:
        return (checked(each, self._old.dimension, ids) for each in entries if len(each.rows))

    def _write(
        self, suffix: str, content: Iterable[Entries] | Sequence[Segment], progress: Progress | None
    ) -> SegmentFacts | None:
        """A new segment of entries, or of older segments; None where there is no row."""
        name = f"s{self._generation}{suffix}"
        with staged_folder(self._folder / name) as folder:
            writer = SegmentWriter(folder, self._old.dimension, progress)
            for each in content:
                writer.merge(each) if isinstance(each, Segment) else writer.add(each)
            if writer.rows:
                writer.finish()
        if not writer.rows:
            shutil.rmtree(self._folder / name)
            return None
        names = [f"{name}/{file}" for file in folder_files(self._folder / name)]
        return SegmentFacts(name, writer.rows, 0, None, state.describe(self._folder, names))

    def _without(self, ids: Sequence[str]) -> tuple[list[SegmentFacts], set[str]]:
        """The segments with these ids marked as removed, and the ids that were there."""
        kept, gone = [], set()
        for segment in self._segments:
            found = segment.rows.positions(ids)
            found = found[segment.kept()[found]]
            gone.update(segment.rows.ids(found))
            kept.append(self._marked(segment, found) if len(found) else segment.facts)
        return kept, gone

    def _marked(self, segment: Segment, rows: np.ndarray) -> SegmentFacts:
        removed = ~segment.kept()
        removed[rows] = True
        mask = f"removed-{self._generation}-{segment.facts.name}.npy"
        np.save(self._folder / mask, removed)
        files = {name: facts for name, facts in segment.facts.files.items() if name != segment.facts.mask}
        files |= state.describe(self._folder, [mask])
        return msgspec.structs.replace(segment.facts, removed=int(removed.sum()), mask=mask, files=files)

    def _merged(self, segments: Sequence[SegmentFacts], progress: Progress | None) -> list[SegmentFacts]:
        """The segments, the newest of them merged into one where they are too many or hold too many removed rows."""
        first = _first_to_merge(segments)
        tail = segments[first:]
        if not tail:
            return list(segments)
        state.check(self._folder, msgspec.structs.replace(self._old, segments=tuple(tail)), contents=True)
        opened = [Segment(self._folder, each, self._old.dimension) for each in tail]
        written = self._write("m", opened, progress)
        return [*segments[:first], *([written] if written else [])]

    def _commit(self, segments: Sequence[SegmentFacts]) -> Manifest:
        rows = sum(each.rows - each.removed for each in segments)
        new = msgspec.structs.replace(self._old, segments=tuple(segments), rows=rows, generation=self._generation)
        state.write(self._folder, new)
        _delete_unnamed(self._folder, segments)
        return new


def _first_to_merge(segments: Sequence[SegmentFacts]) -> int:
    """The position from which on segments become one, or are written anew; their number where none is."""
    first, rows = len(segments), 0
    for position in reversed(range(len(segments))):
        segment = segments[position]
        live = segment.rows - segment.removed
        if live < GROWTH * rows or segment.removed > STALE * segment.rows:
            first = position
        rows += live
    return first


def _delete_unnamed(folder: Path, segments: Sequence[SegmentFacts]) -> None:
    """Delete what earlier states and writers that died left; processes that have it open keep it until they close."""
    named = {name.partition("/")[0] for each in segments for name in each.files}
    for path in folder.iterdir():
        if path.name in (LOCK, *named) or not OURS.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
