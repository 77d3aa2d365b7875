"""Which rows come when, and with which randomness: functions of seed, epoch and rows alone.

So a resumed training sees exactly what an uninterrupted one sees.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler
from transformers import TrainerCallback, TrainerState
from transformers.trainer_pt_utils import get_length_grouped_indices

from vitrina.errors import UsageError


class EpochOrder(Sampler[int]):
    """A fresh permutation of the rows each epoch; with `lengths`, rows of similar length share a batch."""

    def __init__(self, rows: int, seed: int, lengths: Sequence[int] | None = None, batch_size: int = 1) -> None:
        self.rows, self.seed, self.lengths, self.batch_size = rows, seed, lengths, batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        if self.lengths is None:
            return iter(torch.randperm(self.rows, generator=generator).tolist())
        return iter(get_length_grouped_indices(list(self.lengths), self.batch_size, generator=generator))


class SeededBatches(Dataset):
    """Rows that arrive collated; what dataset and collator draw depends on seed, epoch and rows only.

    Without it, the data loader's read-ahead would shift the random numbers of a resumed run by one batch.
    """

    def __init__(self, rows: Dataset, collator: Callable[[list[Any]], Any], seed: int) -> None:
        self.inner, self.collator, self.seed = rows, collator, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.inner)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        return self.inner[index]

    def __getitems__(self, indices: list[int]) -> list[Any]:
        with _seeded(zlib.crc32(repr((self.seed, self.epoch, indices)).encode())):
            return [self.collator([self.inner[index] for index in indices])]


def only(batches: list[Any]) -> Any:
    """The collator for rows that arrive collated."""
    return batches[0]


def row_lengths(rows: Dataset) -> list[int]:
    """Tokens of each row: `rows.lengths` where the dataset knows them, else the length of `input_ids`.

    Raises:
        UsageError: when the rows have no length.
    """
    known = getattr(rows, "lengths", None)
    if known is not None:
        return [int(length) for length in known]
    try:
        return [len(rows[index]["input_ids"]) for index in range(len(rows))]  # type: ignore[arg-type]
    except (TypeError, KeyError, IndexError) as error:
        raise UsageError("training.length_bucketing needs rows with input_ids, or a dataset with lengths.") from error


class EpochSetter(TrainerCallback):
    """Tells order and batches the epoch; after a resume accelerate does not reach them in every wrapper."""

    def __init__(self, *parts: EpochOrder | SeededBatches) -> None:
        self.parts = parts

    def on_epoch_begin(self, _args: Any, state: TrainerState, _control: Any, **_: Any) -> None:
        for part in self.parts:
            part.set_epoch(int(state.epoch or 0))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would reset the GPUs as well
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
