"""Messages → splits, and splits → tokenized training rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from vitrina.contracts.messages import OUT_OF_SCOPE
from vitrina.errors import DataError
from vitrina.families.intent_classifier.configuration import Options

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
COLUMNS = ["row_id", "text", "intent", "language", "domain"]


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Split the messages table; see `DataModule.prepare`.

    Splits the table states are kept. What it does not state is cut by a hash of the text, so that a message held out
    once stays held out in every later version of the data. Without test rows (`test_fraction: 0` and none stated) the
    validation rows serve for both.

    Raises:
        DataError: when a split ends empty or an intent of another split is missing from training.
    """
    import pandas as pd

    from vitrina.data.splits import assign_splits

    options = cast(Options, options)
    messages = pd.read_parquet(tables["messages"])
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    messages["split"] = assign_splits(messages, ["text"], fractions, seed)
    messages["row_id"] = row_ids(messages["text"])
    parts = {name: messages[messages["split"] == name] for name in SPLITS}
    if parts["test"].empty:
        parts["test"] = parts["validation"]
    _check(parts)
    for name, part in parts.items():
        columns = [column for column in COLUMNS if column in part]
        part[columns].reset_index(drop=True).to_parquet(output / f"{name}.parquet", index=False)


def _check(parts: Mapping[str, pd.DataFrame]) -> None:
    for name, part in parts.items():
        if part.empty:
            raise DataError(f"The {name} split is empty: more messages are needed.")
    known = set(parts["train"]["intent"]) - {OUT_OF_SCOPE}
    if len(known) < 2:
        raise DataError(f"A classifier needs two or more intents in training; the table has {len(known)}.")
    unseen = sorted(set(parts["validation"]["intent"]) - known - {OUT_OF_SCOPE})
    if unseen:
        raise DataError(f"These intents have validation but no training messages: {', '.join(unseen[:10])}.")


def row_ids(texts: pd.Series) -> list[str]:
    """A stable name of each message, so that two models can be compared row by row; repeated texts are numbered."""
    repeats = texts.groupby(texts).cumcount()
    names = (hashlib.sha1(text.encode()).hexdigest()[:16] for text in texts)
    return [f"{name}-{number}" if number else name for name, number in zip(names, repeats, strict=True)]


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Rows to evaluate: a split of a prepared folder, or one file with columns `text`, `intent` (CSV, JSON, Parquet).

    Raises:
        UsageError: when there is no such file or split.
        DataError: when a column is missing or no row is left.
    """

    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        return read_split(path, split)
    frame = read_frame(path)
    missing = [column for column in ("text", "intent") if column not in frame]
    if missing:
        raise DataError(f"{path}: column {missing[0]} is missing; it has {', '.join(map(str, frame.columns))}.")
    frame = frame.dropna(subset=["text", "intent"]).astype({"text": str, "intent": str})
    if frame.empty:
        raise DataError(f"{path} has no row with text and intent.")
    frame["intent"] = frame["intent"].replace({"oos": OUT_OF_SCOPE})
    frame["row_id"] = row_ids(frame["text"])
    return frame.reset_index(drop=True)


class TokenizedMessages:
    """A map-style dataset of token ids and labels; label -1 marks an out-of-scope row.

    Args:
        texts: the messages.
        labels: class index per message, or None for unlabelled rows.
        tokenizer: a fast tokenizer of transformers.
        extra: more per-row values for the collator to stack (a teacher's logits).
    """

    def __init__(
        self,
        texts: list[str],
        labels: list[int] | None,
        tokenizer: Any,
        max_length: int,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        encoded = tokenizer(texts, truncation=True, max_length=max_length)
        self.rows = [
            {"input_ids": ids, "attention_mask": mask}
            for ids, mask in zip(encoded["input_ids"], encoded["attention_mask"], strict=True)
        ]
        self.labels = labels
        self.extra = extra or {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row: dict[str, Any] = dict(self.rows[index])
        if self.labels is not None:
            row["labels"] = self.labels[index]
        for name, values in self.extra.items():
            row[name] = values[index]
        return row


class Collator:
    """Pads a list of rows to their longest and stacks labels and extra values."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import numpy as np
        import torch

        tokens = [{key: row[key] for key in ("input_ids", "attention_mask")} for row in rows]
        batch: dict[str, Any] = dict(self.tokenizer.pad(tokens, return_tensors="pt"))
        for name in rows[0].keys() - {"input_ids", "attention_mask"}:
            batch[name] = torch.from_numpy(np.asarray([row[name] for row in rows]))
        return batch
