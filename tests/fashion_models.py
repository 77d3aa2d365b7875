"""A small shop of the sample store and a fashion recommender trained on it: for several test folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vitrina.data.sample_store import Size, write_store
from vitrina.jobs import prepare, train

TABLES = ("catalogue", "images", "reviews")


def shop_of(folder: Path) -> dict[str, Path]:
    """Catalogue, photos and a few hundred reviews of a sample store, in `folder`."""
    write_store(folder, Size(products=80, users=60, interactions=6000), seed=7)
    return {name: folder / f"{name}.parquet" for name in TABLES}


def small(encoder: Path) -> dict[str, Any]:
    """Overrides of the smoke preset: a network of hand size."""
    return {
        "model.encoder": str(encoder),
        "model.encoder_layers": 0,
        "training.max_steps": 30,
        "training.eval_every": 10,
        "training.progress": False,
    }


def prepared_shop(tables: dict[str, Path], folder: Path, encoder: Path) -> Path:
    """The shop prepared for the fashion recommender."""
    prepare("fashion_recommender", tables, folder, preset="smoke", overrides=small(encoder))
    return folder


def trained(data: Path, folder: Path, encoder: Path, **changes: Any) -> Path:
    """A fashion recommender's folder."""
    train("fashion_recommender", data, folder, preset="smoke", overrides={**small(encoder), **changes})
    return folder
