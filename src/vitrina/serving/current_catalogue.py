"""What the shop sells now: a canonical catalogue that is followed, so that a withdrawn product is never recommended."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.errors import ArtifactError
from vitrina.recommendation.shelf import Shelf, read_products
from vitrina.watching import Watch

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("vitrina.serving")

KEPT = 2
"""Models whose products are kept aligned: the one in use and the one that replaces it."""

State = tuple[int, int, int]


class CurrentCatalogue:
    """The products at `path`, which may be replaced at any time. Thread-safe.

    Products that it lacks are withdrawn, those with stock 0 sold out, prices are its prices. Without a path a model's
    own products count.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._table: pa.Table | None = None
        self._state: State | None = None
        self._error = f"The catalogue {path} is not read yet."
        self._shelves: dict[int, tuple[Shelf, Shelf]] = {}
        self._lock = threading.Lock()
        self._watch = Watch("catalogue-watch", self.refresh)

    def start(self) -> None:
        """Read the catalogue, and follow it in the background."""
        if self._path is not None:
            self.refresh()
            self._watch.start()

    def close(self) -> None:
        """Stop following."""
        self._watch.close()

    def shelf(self, own: Shelf) -> Shelf:
        """The products of a model as they are now; the first call for a model takes as long as reading them.

        Raises:
            ArtifactError: when the catalogue could never be read; says why.
        """
        if self._path is None:
            return own
        known = self._shelves.get(id(own))
        if known is not None:
            return known[1]
        with self._lock:
            if self._table is None:
                raise ArtifactError(self._error)
            self._shelves = {**dict(list(self._shelves.items())[1 - KEPT :]), id(own): (own, own.aligned(self._table))}
            return self._shelves[id(own)][1]

    def refresh(self) -> bool:
        """Read the file, unless it is the one that was read last. Never raises: one that cannot be read is logged
        once, and what was read before stays. Says whether it changed."""
        assert self._path is not None
        try:
            found = self._path.stat()
            state = (found.st_mtime_ns, found.st_size, found.st_ino)
            if state == self._state:
                return False
            table = read_products(self._path)
        except (ArtifactError, OSError) as error:
            if str(error) != self._error:
                logger.error("%s", error)
            self._error = str(error)
            return False
        with self._lock:
            self._table, self._state, self._error = table, state, ""
            self._shelves = {key: (own, own.aligned(table)) for key, (own, _) in self._shelves.items()}
        logger.info("Recommending from %s: %d products.", self._path, len(table))
        return True
