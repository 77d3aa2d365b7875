from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from torch.utils.data import Dataset

from toy_family.data import points, read_examples
from toy_family.modeling import ToyConfig, ToyModel
from vitrina.artifacts import write_json
from vitrina.training.reproducibility import seed_everything
from vitrina.training.spec import TrainingSetup


class Points(Dataset):
    def __init__(self, frame: pd.DataFrame) -> None:
        self.features = torch.tensor(frame[["x", "y"]].to_numpy(dtype="float32"))
        self.labels = torch.tensor(frame["label"].to_numpy())
        self.lengths = (frame["x"].abs() * 10).astype(int).tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"features": self.features[index], "labels": self.labels[index]}


def collate(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def noisy(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A collator that draws random numbers, as augmentation and negative sampling do."""
    batch = collate(rows)
    return {**batch, "features": batch["features"] + 0.05 * torch.randn_like(batch["features"])}


def accuracy(prediction: Any) -> dict[str, float]:
    logits, labels = prediction
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}


def toy_setup(seed: int = 7, rows: int = 128, collator: Any = collate, **model: Any) -> TrainingSetup:
    seed_everything(seed)
    train, validation = Points(points(rows, seed)), Points(points(64, seed + 1))
    return TrainingSetup(ToyModel(ToyConfig(**model)), train, validation, collator, accuracy)


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    model = ToyModel(ToyConfig(**options.model_dump()))
    if teacher is not None:  # a student of equal shape may start where its teacher ended
        model = ToyModel.from_pretrained(teacher)
    train, validation = (Points(read_examples(data, split)) for split in ("train", "validation"))
    return TrainingSetup(model, train, validation, collate, accuracy)


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    write_json(folder / "labels.json", {"labels": ["below", "above"]})
