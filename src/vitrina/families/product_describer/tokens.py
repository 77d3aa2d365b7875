"""Texts ↔ token ids: a byte-pair tokenizer of one's own, or a pretrained T5's with the slots added.

Ids are pieces of a `tokenizers` file; a placeholder takes the space before it with it, and gives it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>\Z")
_OPENING = ("(", "[", "¿", "¡", "/", "-", "'", "’", "£", "$")


def train_tokenizer(texts: Iterable[str], size: int, special: Sequence[str]) -> Tokenizer:
    """A byte-pair tokenizer of `size` pieces; what it has not seen is written in bytes."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, byte_fallback=True))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Split(Regex(r"[^\w▁]|_"), "isolated")]
    )
    fixed = [PAD, END, UNKNOWN, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(special), special_tokens=fixed, show_progress=False, limit_alphabet=200
    )
    tokenizer.train_from_iterator(texts, trainer)
    # As plain pieces of the model the bytes are reached by falling back only, not by a text that spells them.
    tokenizer.add_special_tokens([AddedToken(each, lstrip=True, normalized=False) for each in special])
    return tokenizer


def extend(tokenizer: Tokenizer, special: Sequence[str]) -> Tokenizer:
    """A pretrained tokenizer with the slots' tokens."""
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(each, lstrip=True, normalized=False) for each in special])
    return tokenizer


class Texts:
    """Encodes and decodes with one `tokenizers` file; ids of `</s>` are added here, never by the file."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.pad, self.end = (int(self.tokenizer.token_to_id(token)) for token in (PAD, END))

    def encode(self, texts: Sequence[str], limit: int) -> list[list[int]]:
        """Token ids with `</s>`, at most `limit` of them."""
        encodings = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [[*encoding.ids[: limit - 1], self.end] for encoding in encodings]

    def id_of(self, token: str) -> int | None:
        return self.tokenizer.token_to_id(token)

    @cached_property
    def placeholders(self) -> dict[str, int]:
        """Placeholder → its id."""
        return {token: i for token, i in self.tokenizer.get_vocab().items() if token.startswith("<copy:")}

    @cached_property
    def unwritten(self) -> list[int]:
        """Ids that no description holds: control and slot tokens, padding, the unknown piece."""
        kinds = ("<slot:", "<lang:", "<length:", "<tone:", "<audience:", "<price:", "<keyword>", "<extra_id_")
        vocabulary = self.tokenizer.get_vocab().items()
        return sorted(i for token, i in vocabulary if token.startswith(kinds) or token in (PAD, UNKNOWN))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids up to `</s>`."""
        written = bytearray()
        for number in ids:
            piece = self.tokenizer.id_to_token(int(number))
            if piece == END:
                break
            byte = _BYTE.match(piece)
            if byte:
                written += bytes([int(byte[1], 16)])
            elif piece.startswith("<copy:"):
                glued = not written or written.decode("utf-8", "ignore").endswith(_OPENING)
                written += (piece if glued else f" {piece}").encode()
            else:
                written += piece.replace(SPACE, " ").encode()
        return " ".join(written.decode("utf-8", "ignore").split())
