"""A small shop of the sample store and recommenders trained on it: for several test folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vitrina.data.sample_store import Size, write_store
from vitrina.jobs import prepare, train

TABLES = ("catalogue", "interactions")
QUICK = {"ease": {"head": 200}, "gfcf": {"factors": 8, "neighbours": 50}}
NETWORK: dict[str, Any] = {
    "model.member_options": QUICK,
    "model.members": ["item_knn", "ease", "content"],
    "training.max_steps": 60,
    "training.progress": False,
}
CLOSED: dict[str, Any] = {"model.member_options": QUICK, "model.content_width": 16}


def shop_of(folder: Path, products: int = 150, users: int = 120, interactions: int = 2500) -> dict[str, Path]:
    """Catalogue and interactions of a sample store, in `folder`."""
    write_store(folder, Size(products=products, users=users, interactions=interactions), seed=7, only=TABLES)
    return {name: folder / f"{name}.parquet" for name in TABLES}


def prepared_shop(tables: dict[str, Path], folder: Path) -> Path:
    """The shop prepared for the hybrid recommender."""
    prepare("hybrid_recommender", tables, folder, preset="smoke")
    return folder


def trained_hybrid(data: Path, folder: Path, preset: str = "smoke", **changes: Any) -> Path:
    """A hybrid recommender's folder; preset `linear` has no network."""
    settings = {**(CLOSED if preset == "linear" else NETWORK), **changes}
    train("hybrid_recommender", data, folder, preset=preset, overrides=settings)
    return folder
