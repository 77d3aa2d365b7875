"""What the engine trains for a fashion recommender, and what serving needs besides the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from safetensors.numpy import save_file
from torch import Tensor
from transformers import Trainer

from vitrina.artifacts import write_json
from vitrina.errors import UsageError
from vitrina.families.fashion_recommender import serving
from vitrina.families.fashion_recommender.batches import Collator, PairsAndPhotos, Store, read_store
from vitrina.families.fashion_recommender.configuration import COMPACT, FashionRecommenderConfig, Options
from vitrina.families.fashion_recommender.data import PRODUCTS, REVIEWS
from vitrina.families.fashion_recommender.features import Ratings, fit_ratings, membership
from vitrina.families.fashion_recommender.modeling import FashionRecommender
from vitrina.families.fashion_recommender.share import best_share
from vitrina.families.layers.recommenders import HISTORIES, POPULARITY
from vitrina.families.layers.text_encoder import TextEncoder, encoder_config
from vitrina.families.layers.vision import vision_config
from vitrina.recommendation.histories import histories_of
from vitrina.text.encoders import load_tokenizer
from vitrina.training.spec import TrainingSetup

TOGETHER = 64
"""Texts, or photos, run together outside training."""


class FashionTrainer(Trainer):
    """Renews the model's memory of photos before each evaluation; the steps until the next one read from it."""

    store: Store

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        remember(cast(FashionRecommender, self.model), self.store)
        return super().evaluate(*args, **kwargs)


def remember(model: FashionRecommender, store: Store) -> None:
    """Write the vector of every product's photo into the model's memory."""
    memory = cast(Tensor, model.memory)
    memory.copy_(torch.from_numpy(photo_vectors(model, store)))
    cast(Tensor, model.remembered).copy_(torch.from_numpy(store.products.has_photo).float().unsqueeze(1))


def photo_vectors(model: FashionRecommender, store: Store) -> np.ndarray:
    """(products, photo width) float32; zeros where there is no photo."""
    vectors = np.zeros_like(store.products.photo)
    known = np.flatnonzero(store.products.has_photo)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(known), TOGETHER):
            places = known[start : start + TOGETHER]
            pixels = torch.from_numpy(store.pixels[places]).to(model.device).float() / 255
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            vectors[places] = model.photos(pixels).float().cpu().numpy()
    model.train(was_training)
    return vectors


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    if teacher is not None:
        raise UsageError("A fashion recommender learns from photos and reviews; it takes no teacher.")
    options = cast(Options, options)
    tokenizer = load_tokenizer(options.encoder)
    encoder = TextEncoder(encoder_config(options.encoder, options.encoder_layers))
    encoder.load(options.encoder)
    store = read_store(
        data, options.side, options.photo_width, lambda texts: embed(encoder, tokenizer, texts, options), seed
    )
    ratings = _ratings(store)
    model = _model(options, store, ratings)
    model.encoder.load_state_dict(encoder.state_dict())
    photos = np.flatnonzero(store.categories >= 0)
    learnt, measured = photos[~store.held_out[photos]], photos[store.held_out[photos]]
    rows = store.rows
    return TrainingSetup(
        model=model,
        train_dataset=cast(Any, PairsAndPhotos("train", len(rows["train"].stars), learnt)),
        eval_dataset=cast(Any, PairsAndPhotos("validation", len(rows["validation"].stars), measured)),
        collator=cast(Any, Collator(store, ratings)),
        compute_metrics=lambda prediction: _measured(prediction.predictions, store, measured, ratings.mean),
        processing_class=tokenizer,
        trainer_class=type("FashionTrainer", (FashionTrainer,), {"store": store}),
    )


def embed(encoder: TextEncoder, tokenizer: Any, texts: Sequence[str], options: Options) -> np.ndarray:
    """(texts, width) float32 of length 1, by the frozen encoder; equal texts are read once."""
    distinct = sorted(set(texts), key=len)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = encoder.to(device).eval()
    parts = [np.zeros((0, encoder.width), dtype=np.float32)]
    with torch.inference_mode():
        for start in range(0, len(distinct), TOGETHER):
            some = distinct[start : start + TOGETHER]
            tokens = tokenizer(some, truncation=True, max_length=options.max_length, padding=True, return_tensors="pt")
            vectors = encoder(tokens["input_ids"].to(device), tokens["attention_mask"].to(device)).float()
            parts.append(torch.nn.functional.normalize(vectors, dim=1).cpu().numpy())
    places = {text: place for place, text in enumerate(distinct)}
    return np.concatenate(parts)[[places[text] for text in texts]]


def _ratings(store: Store) -> Ratings:
    rows, count = store.rows["train"], len(store.reviews.ratings)
    past = (membership(rows.users_past, count), membership(rows.products_past, count))
    return fit_ratings(*past, store.reviews, rows.stars)


def _model(options: Options, store: Store, ratings: Ratings) -> FashionRecommender:
    hub = None if options.vision == COMPACT else vision_config(options.vision)
    names = ("channels", "blocks", "side", "photo_width", "part_width", "hidden", "dropout", "missing")
    config = FashionRecommenderConfig(
        encoder=encoder_config(options.encoder, options.encoder_layers),
        vision=hub,
        category_weight=options.category_weight,
        products=len(store.frame),
        categories=max(1, len(store.labels)),
        mean=ratings.mean,
        **{name: getattr(options, name) for name in names},
    )
    model = FashionRecommender(config)
    if hub:
        cast(Any, model.vision).load(options.vision)
    model.start()
    return model


def _measured(predictions: Any, store: Store, photos: np.ndarray, mean: float) -> dict[str, float]:
    """Error of the stars, share explained beyond the mean, accuracy of the held-out photos' categories."""
    rating, categories = predictions
    truth = store.rows["validation"].stars
    squares = (np.clip(rating[: len(truth)], 1, 5) - truth) ** 2
    found = {"rmse": float(squares.mean() ** 0.5), "r2": float(1 - squares.mean() / ((truth - mean) ** 2).mean())}
    if len(photos):
        right = categories[: len(photos)].argmax(1) == store.categories[photos]
        found["photo_category_accuracy"] = float(right.mean())
    return found


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write the tokenizer, what is known of products and reviews as vectors, and `labels.json`.

    The weights are written again, now with the share that the tower has in the stars.
    """
    options = cast(Options, options)
    collator = cast(Collator, setup.collator)
    store, ratings, model = collator.store, collator.ratings, cast(FashionRecommender, setup.model)
    cast(Any, setup.processing_class).save_pretrained(folder)
    remember(model, store)
    share = best_share(model, collator)
    cast(Tensor, model.tower.share).fill_(share)
    model.save_pretrained(folder)
    vectors = {
        "content": store.products.content.astype(np.float16),
        "photo": photo_vectors(model, store).astype(np.float16),
        "has_photo": store.products.has_photo.astype(np.uint8),
        "price": store.products.price,
        "review": store.reviews.vectors.astype(np.float16),
        "rating": store.reviews.ratings,
        "product": store.reviews.products.astype(np.int32),
        "time": store.times,
    }
    save_file({name: np.ascontiguousarray(values) for name, values in vectors.items()}, folder / serving.VECTORS)
    pd.read_parquet(data / PRODUCTS).drop(columns="jpeg").to_parquet(folder / PRODUCTS, index=False)
    _write_histories(data, store, folder)
    written = pd.DataFrame({"review_id": store.review_ids, "user_id": store.users})
    written.to_parquet(folder / serving.REVIEWS, index=False)
    settings = {
        "mean": ratings.mean,
        "share": share,
        "shrinkage": {"user": ratings.user, "product": ratings.product},
        "currencies": store.currencies,
        "max_length": options.max_length,
        "side": options.side,
        "history": options.history,
        "labels": store.labels,
        "photo_category_accuracy": _category_accuracy(model, store),
    }
    write_json(folder / "labels.json", settings)


def _write_histories(data: Path, store: Store, folder: Path) -> None:
    """The reviews as ratings, which every recommender's service reads, and how many customers reviewed each product."""
    said = pd.read_parquet(data / REVIEWS, columns=["user_id", "product_id", "rating", "timestamp"])
    said = said[said["user_id"].notna()].rename(columns={"rating": "value"}).assign(event="rating")
    said["timestamp"] = pd.to_datetime(said["timestamp"], unit="s", utc=True)
    histories = histories_of(said, store.frame["product_id"].tolist())
    histories.save(folder / HISTORIES)
    counts = said.drop_duplicates(["user_id", "product_id"])["product_id"].value_counts()
    np.save(folder / POPULARITY, store.frame["product_id"].map(counts).fillna(0).to_numpy(np.float32))


def _category_accuracy(model: FashionRecommender, store: Store) -> float:
    """Of the photos that were not learnt from; NaN is not JSON: 0 where there are none."""
    places = np.flatnonzero(store.held_out & (store.categories >= 0))
    if not len(places):
        return 0.0
    vectors = torch.from_numpy(photo_vectors(model, store)[places]).to(model.device)
    with torch.inference_mode():
        told = model.category(vectors * vectors.shape[1] ** 0.5).argmax(1).cpu().numpy()
    return float((told == store.categories[places]).mean())
