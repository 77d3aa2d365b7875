"""A cache of embeddings: in the memory of each worker, and in Redis for all workers and machines together.

An entry is named by the model's version and the content it was made of, so nothing ever has to be invalidated: a new
model asks for new names, and old ones are pushed out (memory) or expire (Redis).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

Counted = Callable[[str, str, int], None]
"""Told tier, outcome and count; see `Telemetry.cached`."""

Missing = Callable[[list[int]], np.ndarray]
"""The vectors of the rows with these numbers, (rows, dimension) float32."""


def key_of(version: str, content: bytes) -> str:
    """The name of an entry: the model's version and a digest of what was embedded."""
    return f"{version}:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


class Tier(Protocol):
    """A place where vectors are kept, as the bytes of little-endian float32."""

    name: str

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is there, in order; None where nothing is."""

    def put(self, entries: dict[str, bytes]) -> None:
        """Keep vectors, as long as there is room and time."""


class MemoryTier:
    """The most recently used vectors, at most `limit` bytes of them. Thread-safe."""

    name = "memory"

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Tier`."""
        with self._lock:
            found = [self._entries.get(key) for key in keys]
            for key, value in zip(keys, found, strict=True):
                if value is not None:
                    self._entries.move_to_end(key)
        return found

    def put(self, entries: dict[str, bytes]) -> None:
        """See `Tier`."""
        with self._lock:
            for key, value in entries.items():
                self.size += _size(key, value) - _size(key, self._entries.pop(key, None))
                self._entries[key] = value
            while self.size > self._limit:
                self.size -= _size(*self._entries.popitem(last=False))


class EmbeddingCache:
    """Vectors by name: from the first tier that has them, otherwise computed and kept in every tier."""

    def __init__(self, tiers: Sequence[Tier], counted: Counted) -> None:
        """`tiers`: nearest first; without any, everything is computed."""
        self._tiers = tuple(tiers)
        self._counted = counted

    def vectors(self, keys: Sequence[str], dimension: int, compute: Missing) -> np.ndarray:
        """(keys, dimension) float32. A name that is asked for twice is computed once.

        `compute` gets row numbers, in order; what it raises is passed on, and nothing is kept then.
        """
        rows = {key: row for row, key in reversed(list(enumerate(keys)))}  # the first row of each name
        found: dict[str, bytes] = {}
        for tier in self._tiers:
            self._look(tier, [key for key in rows if key not in found], 4 * dimension, found)
        missing = sorted(row for key, row in rows.items() if key not in found)
        if missing:
            computed = np.ascontiguousarray(compute(missing), dtype="<f4")
            fresh = {keys[row]: vector.tobytes() for row, vector in zip(missing, computed, strict=True)}
            for tier in self._tiers:
                tier.put(fresh)
            found |= fresh
        return np.frombuffer(b"".join(found[key] for key in keys), dtype="<f4").reshape(len(keys), dimension)

    def _look(self, tier: Tier, wanted: list[str], size: int, found: dict[str, bytes]) -> None:
        """Add what `tier` has to `found`, and to the tiers before it; what is not `size` bytes long is not a vector."""
        if not wanted:
            return
        given = zip(wanted, tier.get(wanted), strict=True)
        had = {key: value for key, value in given if value is not None and len(value) == size}
        self._counted(tier.name, "hit", len(had))
        self._counted(tier.name, "miss", len(wanted) - len(had))
        found |= had
        for nearer in self._tiers[: self._tiers.index(tier)]:
            nearer.put(had)


def _size(key: str, value: bytes | None) -> int:
    """Bytes of an entry, with what Python adds to each."""
    return 0 if value is None else len(key) + len(value) + 250
