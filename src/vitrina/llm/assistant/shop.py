"""What the shop's catalogue teaches: how its attributes are put into words, and descriptions that serve as examples."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from vitrina.errors import VitrinaError
from vitrina.llm.prompts.checks import Knowledge
from vitrina.llm.prompts.examples import ExampleBook
from vitrina.llm.prompts.tasks import Example
from vitrina.llm.prompts.variables import DescribeInputs, Variables
from vitrina.watching import Watch

logger = logging.getLogger("vitrina.llm")


class Shop:
    """Follows the catalogue, a canonical Parquet file; without one it knows nothing. A part of a service.

    `start` learns for the first time, which takes seconds for thousands of products, and waits for it. What cannot be
    read, or teaches nothing, leaves what was known.
    """

    def __init__(self, catalogue: Path | None) -> None:
        self._catalogue = catalogue
        self._state: tuple[int, int] | None = (0, 0)
        self._watch = Watch("shop-watch", self._refresh)
        self._examples: ExampleBook | None = None
        self.knowledge: Knowledge | None = None

    def start(self) -> None:
        """Learn, and follow."""
        if self._catalogue is not None:
            self._refresh()
            self._watch.start()

    def close(self) -> None:
        """Stop following."""
        self._watch.close()

    def examples_for(self, inputs: Variables, count: int) -> Sequence[Example]:
        """Descriptions of products like the one that is to be described."""
        if self._examples is None or not isinstance(inputs, DescribeInputs):
            return ()
        return self._examples.like(inputs.product, inputs.language, count)

    def _refresh(self) -> None:
        assert self._catalogue is not None
        found = _state(self._catalogue)
        if found == self._state:
            return
        self._state = found
        if found is None:
            logger.error("The catalogue %s cannot be read.", self._catalogue)
        else:
            self._learn(self._catalogue)

    def _learn(self, path: Path) -> None:
        from vitrina.contracts import CATALOGUE
        from vitrina.data.tables import read_table
        from vitrina.llm.prompts.faithfulness import LearnedKnowledge

        try:
            table = read_table(path, CATALOGUE)
            self._examples = ExampleBook.of(table)
            self.knowledge = LearnedKnowledge.of(table)
        except VitrinaError as error:
            logger.error("The catalogue %s teaches the assistant nothing more: %s", path, error)


def _state(path: Path) -> tuple[int, int] | None:
    """Time and size of a file; None: it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
