"""An index that a service searches while others write it: a new state is opened beside the one in use, then swapped."""

from __future__ import annotations

import logging

from vitrina.errors import ArtifactError, VitrinaError
from vitrina.search.engine import Index
from vitrina.search.location import open_index
from vitrina.watching import Watch

logger = logging.getLogger("vitrina.search")


class FollowedIndex:
    """The present state of the index at a location, which may also appear later. Thread-safe."""

    def __init__(self, location: str | None) -> None:
        """`location`: a folder or a database, as `open_index` takes it; None: there is none to follow."""
        self._location = location
        self._error = f"The index {location} is not open yet." if location else "No index is configured: VITRINA_INDEX."
        self._index: Index | None = None
        self._watch = Watch("index-watch", self.refresh)

    def start(self) -> None:
        """Open the index, and follow it in the background."""
        if self._location is not None:
            self.refresh()
            self._watch.start()

    def close(self) -> None:
        """Stop following. The index is left to searches that still run."""
        self._watch.close()

    def current(self) -> Index:
        """The index as it was opened last.

        Raises:
            ArtifactError: when there is none; says why.
        """
        if self._index is None:
            raise ArtifactError(self._error)
        return self._index

    def refresh(self) -> bool:
        """Open the present state, unless it is open already. Never raises: a state that cannot be opened is logged
        once, and the one in use stays. Says whether it changed."""
        try:
            if self._index is not None and self._index.is_current():
                return False
            self._index = open_index(str(self._location))
        except (VitrinaError, OSError) as error:
            if str(error) != self._error:
                logger.error("%s", error)
            self._error = str(error)
            return False
        facts = self._index.facts
        self._error = ""
        logger.info("Searching %s: %d products, %s version %s.", self._location, facts.rows, facts.model, facts.version)
        return True
