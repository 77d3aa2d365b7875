"""Episodes as the engine's rows: token ids or pixels, drawn from the classes of one split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from vitrina.families.few_shot_classifier import drawings, images
from vitrina.families.few_shot_classifier.configuration import EpisodeOptions, ImageOptions

QUARTERS = 4
ORIENTATIONS = 2 * QUARTERS
DRAWN = 20
"""Drawings of an invented character."""

EVALUATED = 6
"""Rows a class of a validation episode: one or five to learn from, the rest to answer."""


class Source(Protocol):
    """Classes with rows that can be taken as arrays."""

    def classes(self) -> int:
        """How many classes an episode can be drawn from."""

    def draw(self, ways: int, examples: int, rng: np.random.Generator) -> dict[str, Any]:
        """Rows of `ways` classes, `examples` of each, class after class."""


class TextSource:
    """Tokenized texts; `draw` gives `input_ids` as a list of token-id lists."""

    def __init__(self, texts: list[str], rows: Sequence[np.ndarray], tokenizer: Any, max_length: int) -> None:
        self.ids = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
        self.rows = list(rows)

    def classes(self) -> int:
        return len(self.rows)

    def draw(self, ways: int, examples: int, rng: np.random.Generator) -> dict[str, Any]:
        chosen = rng.choice(len(self.rows), ways, replace=False)
        taken = [_take(self.rows[place], examples, rng) for place in chosen]
        return {"input_ids": [self.ids[row] for row in np.concatenate(taken)]}


class ImageSource:
    """Images as uint8; `draw` gives `pixels` float32 0–1 (rows, channels, side, side).

    With `options` classes are multiplied for training: orientations, invented characters, deformation.
    """

    def __init__(
        self, pictures: np.ndarray, rows: Sequence[np.ndarray], options: ImageOptions | None = None, seed: int = 0
    ) -> None:
        self.pictures = pictures
        self.rows = list(rows)
        self.turns = ORIENTATIONS if options is not None and options.orientations else 1
        self.variation = options.variation if options is not None else 0.0
        self.share, self.invented = 0.0, np.empty((0, DRAWN, *pictures.shape[1:]), dtype=np.uint8)
        if options is not None and options.invented and options.drawings:
            self.share = options.invented_share
            self.invented = drawings.invented(options.invented, DRAWN, pictures.shape[-1], seed)[:, :, None]

    def classes(self) -> int:
        return len(self.rows) * self.turns

    def draw(self, ways: int, examples: int, rng: np.random.Generator) -> dict[str, Any]:
        made_up = min(round(ways * self.share), len(self.invented))
        found = [self._found(int(place), examples, rng) for place in rng.choice(self.classes(), ways - made_up, False)]
        if made_up:
            drawn = rng.choice(len(self.invented), made_up, False)
            found += [self.invented[place][_take(np.arange(DRAWN), examples, rng)] for place in drawn]
        pixels = torch.from_numpy(np.concatenate(found)).float() / 255
        return {"pixels": drawings.varied(pixels, self.variation)}

    def _found(self, place: int, examples: int, rng: np.random.Generator) -> np.ndarray:
        """Rows of a class in one of its orientations."""
        number, turn = divmod(place, self.turns)
        return drawings.oriented(self.pictures[_take(self.rows[number], examples, rng)], turn)


def _take(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` different rows; a class with fewer repeats some."""
    return rng.permutation(np.resize(rng.permutation(rows), max(count, len(rows))))[:count]


class Episodes(torch.utils.data.Dataset):
    """Map-style episodes. In training every one is new; in validation number i is always the same."""

    def __init__(self, source: Source, options: EpisodeOptions, *, training: bool) -> None:
        self.source = source
        self.options = options
        self.training = training
        self.ways = min(options.ways, source.classes())

    def __len__(self) -> int:
        return self.options.per_epoch if self.training else self.options.validation

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`labels` int64 and `support` bool (rows,), and the source's rows."""
        # The engine seeds NumPy's global generator for every batch: what is drawn depends on seed, epoch and row.
        rng = np.random.default_rng(np.random.randint(2**31) if self.training else index)
        examples = self.options.examples if self.training else EVALUATED
        shots = self._shots(index, examples, rng)
        support = np.arange(examples) < shots
        return {
            "labels": np.repeat(np.arange(self.ways), examples),
            "support": np.tile(support, self.ways),
            **self.source.draw(self.ways, examples, rng),
        }

    def _shots(self, index: int, examples: int, rng: np.random.Generator) -> int:
        if not self.training:
            return (1, EVALUATED - 1)[index % 2]
        return int(rng.integers(1, min(self.options.shots, examples - 1) + 1))


class Collator:
    """Stacks episodes of equal size; token ids are padded to the longest of the batch."""

    def __init__(self, tokenizer: Any | None) -> None:
        self.tokenizer = tokenizer

    def __call__(self, episodes: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = {
            name: torch.from_numpy(np.stack([each[name] for each in episodes])) for name in ("labels", "support")
        }
        shape = batch["labels"].shape
        if self.tokenizer is None:
            return batch | {"pixels": torch.stack([each["pixels"] for each in episodes])}
        rows = [{"input_ids": ids} for each in episodes for ids in each["input_ids"]]
        padded = self.tokenizer.pad(rows, return_tensors="pt")
        return batch | {name: padded[name].view(*shape, -1) for name in ("input_ids", "attention_mask")}


def pictures(texts: Sequence[str], options: ImageOptions) -> np.ndarray:
    """Images of base64 texts: uint8 (rows, channels, side, side)."""
    return np.stack([images.read(images.decoded(text), options.side, options.drawings) for text in texts])
