"""Small few-shot models for tests: trained for a step or two, exported as any other."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

FAMILY = "few_shot_classifier"
TOPICS = ("order", "money", "refund", "package", "open", "hours", "music", "joke", "france", "jazz")
SENTENCES = ("where is my {}", "i want my {} back", "track the {} please", "are you {} today", "{} hours on sunday")
IMAGE = {
    "model.modality": "image",
    "training.head_learning_rate": 0.0,
    "model.image.widths": [8, 16],
    "model.image.views": 3,
}
SMALL = {"training.max_steps": 2, "model.image.embedding": 16, "model.episode.ways": 3, "model.episode.validation": 2}


def messages(path: Path) -> Path:
    """Ten intents with ten messages each, and a few out-of-scope rows."""
    rows = [
        {"text": sentence.format(topic) + ending, "intent": topic, "language": "en", "split": "", "domain": topic[0]}
        for topic in TOPICS
        for sentence in SENTENCES
        for ending in ("", " thanks")
    ]
    rows.append({"text": "sing", "intent": "out_of_scope", "language": "en", "split": "", "domain": None})
    pd.DataFrame(rows).to_parquet(path, index=False)
    return path


def drawing(kind: int, hand: int, format: str = "JPEG") -> bytes:
    """A black stroke of one of many directions on white paper, drawn by one of many hands."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(hand)
    image = Image.new("L", (60, 60), 255)
    angle = kind * np.pi / 10
    end = 30 + 24 * np.array([np.cos(angle), np.sin(angle)]) + rng.normal(0, 1.5, 2)
    ImageDraw.Draw(image).line([(30, 30), tuple(end), (8 + kind, 50)], fill=0, width=3)
    content = io.BytesIO()
    image.save(content, format)
    return content.getvalue()


def drawings(folder: Path) -> dict[str, Path]:
    """Tables of ten drawn characters of five alphabets, six drawings each."""
    names = [(kind, hand) for kind in range(10) for hand in range(6)]
    ids = [f"{kind}-{hand}" for kind, hand in names]
    jpegs = [drawing(kind, 10 * kind + hand) for kind, hand in names]
    images = pd.DataFrame({"image_id": ids, "product_id": ids, "jpeg": jpegs, "width": 60, "height": 60})
    category = [f"Alphabet{kind // 2} > character{kind}" for kind, _ in names]
    catalogue = pd.DataFrame({"product_id": ids, "title": "drawing", "category": category, "language": "und"})
    tables = {"images": folder / "images.parquet", "catalogue": folder / "catalogue.parquet"}
    images.to_parquet(tables["images"], index=False)
    catalogue.to_parquet(tables["catalogue"], index=False)
    return tables


def trained(folder: Path, tables: dict[str, Path], overrides: dict[str, object]) -> Path:
    """`folder`/model, trained on `folder`/splits."""
    from vitrina.jobs import prepare, train

    prepare(FAMILY, tables, folder / "splits", preset="smoke", overrides=overrides)
    train(FAMILY, folder / "splits", folder / "model", preset="smoke", overrides=overrides)
    return folder / "model"


def text_model(folder: Path, encoder: Path) -> Path:
    """A model of texts on a tiny encoder."""
    return trained(folder, {"messages": messages(folder / "messages.parquet")}, SMALL | {"model.encoder": str(encoder)})


def image_model(folder: Path) -> Path:
    """A model of drawings."""
    return trained(folder, drawings(folder), SMALL | IMAGE)
