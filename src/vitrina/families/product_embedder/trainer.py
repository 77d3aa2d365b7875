"""What the engine trains for a product embedder, and what serving needs besides the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from safetensors.numpy import save_file

from vitrina.artifacts import write_json
from vitrina.contracts.products import Product
from vitrina.errors import UsageError
from vitrina.evaluation import calibration
from vitrina.families.layers.prices import currency_statistics
from vitrina.families.layers.products import products_of
from vitrina.families.layers.text_encoder import encoder_config, freeze
from vitrina.families.product_embedder import metrics, mining, serving
from vitrina.families.product_embedder.configuration import Options, ProductEmbedderConfig
from vitrina.families.product_embedder.data import PAIRS
from vitrina.families.product_embedder.features import text_of
from vitrina.families.product_embedder.modeling import ProductEmbedder
from vitrina.families.product_embedder.retrieval import Query, evaluation_queries
from vitrina.families.product_embedder.views import Collator, EvaluationPairs, Features, TrainingPairs, settings_of
from vitrina.text.encoders import load_tokenizer
from vitrina.text.ngrams import NgramHasher
from vitrina.training.spec import TrainingSetup

CHOOSING = 500
"""Held-out queries of each kind that choose the weights while training."""

OF_A_CATEGORY = 20
"""Training products, at most, whose mean is the centre of a category."""

OF_ALL_CATEGORIES = 3000
"""Training products, about, embedded for all centres together."""


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`.

    With a teacher, an earlier embedder, the hard negatives are the products that it takes for one another.
    """
    options = cast(Options, options)
    train, validation = (pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation"))
    products = products_of(train)
    features = _features(products, options)
    queries = evaluation_queries(validation, CHOOSING)
    if not queries:
        raise UsageError("No query can be made of the validation products: more products are needed.")
    vectors = serving.load(teacher).embed(train) if teacher else None
    pairs = TrainingPairs(
        products,
        mining.similar(products, options.neighbours, seed, vectors),
        _judged(pd.read_parquet(data / PAIRS), train),
        options,
    )
    held_out = EvaluationPairs(
        products_of(validation), [query.product for query in queries], [set(query.relevant) for query in queries]
    )
    return TrainingSetup(
        model=_model(options, products, features.hasher),
        train_dataset=cast(Any, pairs),
        eval_dataset=cast(Any, held_out),
        collator=cast(Any, Collator(features)),
        compute_metrics=lambda prediction: _retrieval(prediction.predictions, queries, len(validation)),
        processing_class=features.tokenizer,
    )


def _features(products: Sequence[Product], options: Options) -> Features:
    hasher = NgramHasher(options.lexical_buckets, limit=options.lexical_limit)
    return Features(load_tokenizer(options.encoder), hasher, currency_statistics(products), options)


def _judged(pairs: pd.DataFrame, train: pd.DataFrame) -> list[tuple[int, int, bool]]:
    numbers = {product_id: number for number, product_id in enumerate(train["product_id"])}
    sides = zip(pairs["left_id"], pairs["right_id"], pairs["match"], strict=True)
    return [(numbers[left], numbers[right], bool(match)) for left, right, match in sides]


def _model(options: Options, products: Sequence[Product], hasher: NgramHasher) -> ProductEmbedder:
    encoder = encoder_config(options.encoder, options.encoder_layers)
    if options.max_length > encoder.get("max_position_embeddings", options.max_length):
        longest = encoder["max_position_embeddings"]
        raise UsageError(f"model.max_length: {options.encoder} reads at most {longest} tokens.")
    config = ProductEmbedderConfig(
        encoder=encoder,
        dimensions=options.dimensions,
        lexical_width=options.lexical_width,
        lexical_buckets=options.lexical_buckets,
        side_width=options.side_width,
        category_buckets=options.category_buckets,
        dropout=options.dropout,
    )
    model = ProductEmbedder(config)
    model.encoder.load(options.encoder)
    model.start(_frequencies(products, hasher))
    freeze(model.encoder.model, options.frozen_layers)
    return model


def _frequencies(products: Sequence[Product], hasher: NgramHasher) -> torch.Tensor:
    """Share of the products whose text holds each bucket, (buckets,)."""
    counts = np.zeros(hasher.buckets)
    for product in products:
        counts[np.unique(hasher(text_of(product))) - 1] += 1
    return torch.from_numpy((counts / max(len(products), 1)).astype(np.float32))


def _retrieval(vectors: tuple[np.ndarray, np.ndarray], queries: Sequence[Query], products: int) -> dict[str, float]:
    """Quality of the validation queries, as `metrics.evaluate` has it."""
    quality = metrics.measure(vectors[0][: len(queries)], vectors[1][:products], queries)
    return metrics.by_kind(quality, [query.kind for query in queries])


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer, `labels.json` and the centres of the categories, by which the prediction log names products."""
    options = cast(Options, options)
    features = cast(Collator, setup.collator).features
    cast(Any, setup.processing_class).save_pretrained(folder)
    train = pd.read_parquet(data / "train.parquet")
    model = cast(ProductEmbedder, setup.model).eval()
    known = train[train["category"].notna()]
    each = min(OF_A_CATEGORY, max(1, OF_ALL_CATEGORIES // max(known["category"].nunique(), 1)))
    known = known.groupby("category").head(each)
    settings = dict(settings_of(options, features.currencies, sorted(set(known["category"]))))
    centres = np.zeros((len(settings["labels"]), options.dimensions[0]), dtype=np.float32)
    settings["temperature"] = 1.0
    if len(known):
        vectors = _vectors(model, products_of(known), features)
        for i, label in enumerate(settings["labels"]):
            mean = vectors[(known["category"] == label).to_numpy()].mean(0)
            centres[i] = mean / np.linalg.norm(mean)
        settings["temperature"] = _temperature(model, data, features, settings["labels"], centres)
    save_file({"centres": centres}, folder / serving.CENTRES)
    write_json(folder / "labels.json", settings)


def _temperature(
    model: ProductEmbedder, data: Path, features: Features, labels: Sequence[str], centres: np.ndarray
) -> float:
    """What makes the confidence of the nearest category an honest probability on validation products."""
    validation = pd.read_parquet(data / "validation.parquet")
    validation = validation[validation["category"].isin(labels)].head(1000)
    if validation.empty:
        return 1.0
    # Without the category itself, which is what is guessed.
    vectors = _vectors(model, products_of(validation.drop(columns="category")), features)
    truth = np.array([labels.index(label) for label in validation["category"]])
    return calibration.fit_temperature(serving.SHARPNESS * vectors @ centres.T, truth)


def _vectors(model: ProductEmbedder, products: Sequence[Product], features: Features) -> np.ndarray:
    parts = []
    with torch.inference_mode():
        for start in range(0, len(products), 64):
            batch = features(products[start : start + 64])
            parts.append(model.embed(**{name: value.to(model.device) for name, value in batch.items()}).cpu().numpy())
    return np.concatenate(parts)
