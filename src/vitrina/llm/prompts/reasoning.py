"""Step-by-step reasoning, `<thinking>…</thinking>`, told apart from the answer, while it is being written too."""

from __future__ import annotations

import re

OPEN, CLOSE = "<thinking>", "</thinking>"
_TAGS = {tag: re.compile(re.escape(tag), re.I) for tag in (OPEN, CLOSE)}


class Splitter:
    """Takes a text piece by piece and gives back what is answer; what is reasoning gathers in `reasoning`.

    A piece may end anywhere, in the middle of a tag too: what could still become a tag is held back. Tags count in any
    case. Reasoning that is never closed hides all that follows: better no answer than thoughts for one.
    """

    def __init__(self) -> None:
        self.thinking = False
        self._held = ""
        self._thoughts: list[str] = []

    @property
    def reasoning(self) -> str:
        """The reasoning so far."""
        return "".join(self._thoughts).strip()

    def feed(self, piece: str) -> str:
        """The answer's part of a piece, and of what was held back; may be empty."""
        text = self._held + piece
        shown: list[str] = []
        while found := _TAGS[CLOSE if self.thinking else OPEN].search(text):
            self._take(text[: found.start()], shown)
            text, self.thinking = text[found.end() :], not self.thinking
        kept = _begun(text, CLOSE if self.thinking else OPEN)
        self._held = text[len(text) - kept :]
        self._take(text[: len(text) - kept], shown)
        return "".join(shown)

    def finish(self) -> str:
        """What was held back and turned out to be no tag."""
        shown: list[str] = []
        self._take(self._held, shown)
        self._held = ""
        return "".join(shown)

    def _take(self, text: str, shown: list[str]) -> None:
        (self._thoughts if self.thinking else shown).append(text)


def split(text: str) -> tuple[str, str]:
    """Answer and reasoning of a whole text, both stripped."""
    splitter = Splitter()
    answer = splitter.feed(text) + splitter.finish()
    return answer.strip(), splitter.reasoning


def _begun(text: str, tag: str) -> int:
    """Characters at the end of a text that could be the start of a tag."""
    longest = min(len(text), len(tag) - 1)
    return next((size for size in range(longest, 0, -1) if tag.startswith(text[-size:].lower())), 0)
