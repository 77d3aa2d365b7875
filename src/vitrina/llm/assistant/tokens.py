"""How many tokens a prompt has: counted by the model's own tokenizer where there is one, otherwise estimated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.errors import UsageError
from vitrina.llm.prompts.rendering import Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTES = 4
"""UTF-8 bytes a token in the estimate: rather too many, so that it refuses only what is surely too long. English text
has about four to a token, Spanish three and a half; the model's server refuses the rest."""

ROLE = 5
"""Tokens that a chat template puts around a message."""


class Counter:
    """Counts tokens of messages."""

    def __init__(self, tokenizer: Path | None = None) -> None:
        """`tokenizer`: a `tokenizer.json`.

        Raises:
            UsageError: when it cannot be read.
        """
        self._tokenizer = None if tokenizer is None else _load(tokenizer)

    def __call__(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt."""
        return sum(ROLE + self.of(message["content"]) for message in messages)

    def of(self, text: str) -> int:
        """Tokens of a text."""
        if self._tokenizer is None:
            return len(text.encode()) // BYTES
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _load(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a plain Exception
        raise UsageError(f"VITRINA_ASSISTANT_TOKENIZER is no tokenizer.json: {path}: {error}.") from error
