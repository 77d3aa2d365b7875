"""Catalogue → splits by features, and splits → token ids of features and descriptions."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from vitrina.errors import DataError
from vitrina.families.layers.products import products_of
from vitrina.families.product_describer import controls
from vitrina.families.product_describer.configuration import Options
from vitrina.families.product_describer.slots import Contradiction, slots_of
from vitrina.families.product_describer.tokens import Texts

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test")
COLUMNS = ("title", "brand", "category", "price", "currency", "attributes", "language")
FEATURES, REFERENCES = "features", "references"
IGNORED = -100


def prepare(tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
    """Split the described products by their features; see `DataModule.prepare`.

    Training has a row for every description; validation and test have one for all products of equal features, whose
    descriptions are its `references`. A `split` column of the table is respected.

    Raises:
        DataError: when a split ends empty.
    """
    import pandas as pd

    from vitrina.data.splits import assign_splits

    options = cast(Options, options)
    rows = described(pd.read_parquet(tables["catalogue"]))
    fractions = {"validation": options.validation_fraction, "test": options.test_fraction}
    rows["split"] = assign_splits(rows, [FEATURES], fractions, seed)
    parts = {name: rows[rows["split"] == name] for name in SPLITS}
    if parts["test"].empty:
        parts["test"] = parts["validation"]
    for name, part in parts.items():
        if part.empty:
            raise DataError(f"The {name} split is empty: more products with a description are needed.")
        part = part if name == "train" else grouped(part)
        part.drop(columns=["split"]).reset_index(drop=True).to_parquet(output / f"{name}.parquet", index=False)


def described(catalogue: pd.DataFrame) -> pd.DataFrame:
    """The products whose features agree and that have a description, with `features` (a digest) and `row_id`."""
    import pandas as pd

    if "description" not in catalogue:
        raise DataError("The catalogue has no column description: there is nothing to learn from.")
    rows = catalogue[catalogue["description"].notna()]
    rows = rows[[name for name in (*COLUMNS, "description", "split") if name in rows]].reset_index(drop=True)
    keys = [_features(product, language) for product, language in zip(products_of(rows), _languages(rows), strict=True)]
    rows[FEATURES] = pd.Series(keys, dtype=object)
    rows = rows[rows[FEATURES].notna()].copy()
    if rows.empty:
        raise DataError("No product of the catalogue has a description.")
    rows["description"] = rows["description"].str.split().str.join(" ")
    number = rows.groupby(FEATURES).cumcount()
    rows["row_id"] = [f"{key}-{n}" if n else key for key, n in zip(rows[FEATURES], number, strict=True)]
    return rows


def _languages(rows: pd.DataFrame) -> list[str]:
    return list(rows["language"].fillna("")) if "language" in rows else [""] * len(rows)


def _features(product: Any, language: str) -> str | None:
    """A digest of what the model is told; None for features that contradict each other."""
    try:
        slots = slots_of(product)
    except Contradiction:
        return None
    told = [language, *(f"{name.lower()}={value.lower()}" for name, value in sorted(slots.items()))]
    return hashlib.sha1("\x1f".join(told).encode()).hexdigest()[:16]


def grouped(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for all products of equal features, with the list of their descriptions in `references`."""
    references = rows.groupby(FEATURES, sort=False)["description"].agg(list)
    first = rows.drop_duplicates(FEATURES).set_index(FEATURES)
    return first.assign(**{REFERENCES: references}).reset_index()


def read_examples(path: Path, split: str) -> pd.DataFrame:
    """Rows to evaluate: a split of a prepared folder, or one file of a catalogue with descriptions.

    Raises:
        UsageError: when there is no such file or split. DataError: when no product has title and description.
    """
    from vitrina.data.sources.files import read_frame
    from vitrina.data.splits import read_split

    path = Path(path)
    if path.is_dir():
        rows = read_split(path, split)
        return rows if REFERENCES in rows else grouped(rows)
    frame = read_frame(path)
    if "title" not in frame:
        raise DataError(f"{path}: column title is missing; it has {', '.join(map(str, frame.columns))}.")
    return grouped(described(frame.dropna(subset=["title"])))


class DescriptionRows:
    """A map-style dataset of `input_ids` (features) and `labels` (a description)."""

    def __init__(self, sources: Sequence[str], targets: Sequence[str], texts: Texts, options: Options) -> None:
        self.sources = texts.encode(sources, options.max_source)
        self.labels = texts.encode(targets, options.max_target)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.sources[index], "labels": self.labels[index]}


class Collator:
    """Pads a list of rows and shifts the labels: `decoder_input_ids` begin with the padding token, as T5's do."""

    def __init__(self, texts: Texts) -> None:
        self.pad = texts.pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch

        inputs = self._padded([row["input_ids"] for row in rows], self.pad)
        labels = self._padded([row["labels"] for row in rows], IGNORED)
        shifted = torch.full_like(labels, self.pad)
        shifted[:, 1:] = labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, self.pad)
        mask = self._padded([[1] * len(row["input_ids"]) for row in rows], 0)
        return {"input_ids": inputs, "attention_mask": mask, "labels": labels, "decoder_input_ids": shifted}

    def _padded(self, rows: list[list[int]], filler: int) -> Any:
        import torch

        width = max(map(len, rows))
        return torch.tensor([row + [filler] * (width - len(row)) for row in rows])


def shown_controls(text: str, values: Sequence[str], learnt: Mapping[str, Any], share: float, rng: Any) -> list[str]:
    """The control tokens that a training row shows: each that its description gives, with probability `share`."""
    found = [f"<length:{controls.length_of(text, learnt['length_bounds'])}>", f"<tone:{controls.tone_of(text)}>"]
    audience = controls.audience_of(text)
    found += [f"<audience:{audience}>"] if audience else []
    shown = [token for token in found if rng.random() < share]
    if rng.random() < share:
        said = " ".join(values).lower()
        words = [word for word in controls.content_words(text) if word not in said]
        shown += [f"<keyword> {word}" for word in rng.sample(words, min(len(words), rng.randint(1, 2)))]
    return shown


def seeded(seed: int) -> random.Random:
    """The generator that decides which rows show their controls."""
    return random.Random(seed)
