"""Photos and prompts as the training step reads them; noise, steps and what is left out are drawn with the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from vitrina.errors import DataError
from vitrina.families.layers import photos
from vitrina.families.product_imager.configuration import TRAIN_STEPS, Options
from vitrina.families.product_imager.styles import STYLES, styled

if TYPE_CHECKING:
    import pandas as pd


HELD_SIDE = 128
"""Pixels a side up to which all photos are held in memory: 50 kB each."""


class Photo(NamedTuple):
    """One training row; `pixels` uint8 (channels, side, side), `category` 0: none."""

    pixels: np.ndarray
    text: str
    category: int


class Photos(Dataset):
    """The photos of a split: small ones are read once, large ones whenever they are asked for."""

    def __init__(self, rows: pd.DataFrame, labels: Sequence[str], options: Options) -> None:
        place = {label: number for number, label in enumerate(labels, 1)}
        self._side, self._channels = options.side, options.channels
        self._pixels: np.ndarray | None = None
        readable = np.ones(len(rows), dtype=bool)
        if options.side <= HELD_SIDE:
            self._pixels, readable = photos.read_all(list(rows["jpeg"]), options.side, channels=options.channels)
            self._pixels = self._pixels[readable]
        kept = rows[readable]
        self._contents = [] if self._pixels is not None else list(kept["jpeg"])
        self.labels = list(labels)
        self.texts = list(kept["text"])
        self.categories = [place.get(label, 0) for label in kept["category"]]
        if not self.texts:
            raise DataError("None of the photos can be read.")

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, place: int) -> Photo:
        return Photo(self.pixels([place])[0], self.texts[place], self.categories[place])

    def pixels(self, places: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (places, channels, side, side)."""
        if self._pixels is not None:
            return self._pixels[places]
        return np.stack([photos.read(self._contents[place], self._side, channels=self._channels) for place in places])


class Collator:
    """Rows → a batch, with random styles and conditions left out; in evaluation both are as served.

    Leaving out: the category of `words_alone` of the rows, and every condition of `unguided` (Ho & Salimans, 2022).
    """

    def __init__(self, tokenizer: Any, shape: tuple[int, int, int], options: Options) -> None:
        self.tokenizer, self.shape, self.options = tokenizer, shape, options

    def __call__(self, rows: Sequence[Photo]) -> dict[str, torch.Tensor]:
        count, options = len(rows), self.options
        style = torch.where(
            torch.rand(count) < options.style_share, torch.randint(1, len(STYLES), (count,)), torch.zeros(count)
        ).long()
        alone, nothing = torch.rand(count) < options.words_alone, torch.rand(count) < options.unguided
        texts = ["" if left_out else row.text for row, left_out in zip(rows, nothing.tolist(), strict=True)]
        category = torch.tensor([row.category for row in rows]).masked_fill(alone | nothing, 0)
        shown = [styled(row.pixels, STYLES[name]) for row, name in zip(rows, style.tolist(), strict=True)]
        return {
            "pixels": torch.from_numpy(np.stack(shown)),
            "noise": torch.randn((count, *self.shape)),
            "timesteps": torch.randint(0, TRAIN_STEPS, (count,)),
            **tokens(self.tokenizer, texts, options.max_length),
            "style": (style + 1).masked_fill(nothing, 0),
            "category": category,
        }


def tokens(tokenizer: Any, texts: Sequence[str], max_length: int) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, all padded to `max_length`, as CLIP's users do."""
    said = tokenizer(list(texts), truncation=True, max_length=max_length, padding="max_length", return_tensors="pt")
    return {name: said[name] for name in ("input_ids", "attention_mask")}
