"""What the engine trains for a multimodal model, and what serving needs besides the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from torch import nn

from vitrina.artifacts import write_json
from vitrina.errors import DataError
from vitrina.families.layers.prices import currency_statistics
from vitrina.families.layers.product_heads import calibrate, lexical_fit, scores, targets
from vitrina.families.layers.product_heads.heads import describe
from vitrina.families.layers.smoothing import SmoothedTrainer
from vitrina.families.multimodal_product.batches import ProductRows, Reading, collate, levelled, products_and_prices
from vitrina.families.multimodal_product.configuration import MultimodalProductConfig, Options
from vitrina.families.multimodal_product.modeling import MultimodalProduct
from vitrina.families.multimodal_product.views import VIEWS, view_logits
from vitrina.text.encoders import load_encoder, load_tokenizer
from vitrina.text.ngrams import NgramHasher
from vitrina.training.spec import TrainingSetup


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    options = cast(Options, options)
    train, validation = (pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation"))
    reading = read_as(train, options)
    rows = ProductRows(train, reading, training=True)
    if not len(rows):
        raise DataError("No training row has a photo: modalities photo alone has nothing to learn from.")
    model = _model(options, reading, len(reading.tokenizer))
    if reading.hasher is not None:
        ngrams = [reading.hasher(text) for text in rows.texts]
        lexical_fit.fit(model, ngrams, rows.labels, options.lexical_strength)
    return TrainingSetup(
        model=model,
        train_dataset=cast(Any, rows),
        eval_dataset=cast(Any, ProductRows(validation, reading, training=False)),
        collator=collate,
        compute_metrics=lambda prediction: scores.measured(prediction, reading.heads),
        processing_class=reading.tokenizer,
        trainer_class=SmoothedTrainer,
    )


def read_as(train: pd.DataFrame, options: Options) -> Reading:
    """How rows are read, as the training rows decide it: currencies, and the heads they can teach."""
    products, _ = products_and_prices(train, {})
    currencies = currency_statistics(products)
    _, prices = products_and_prices(train, currencies)
    heads = targets.choose_heads(levelled(train, prices), options)
    bagged = options.lexical_width and "text" in options.modalities
    hasher = NgramHasher(options.lexical_buckets, options.lexical_sizes, options.lexical_limit) if bagged else None
    return Reading(options, heads, load_tokenizer(options.encoder), currencies, hasher)


def _model(options: Options, reading: Reading, words: int) -> MultimodalProduct:
    table = load_encoder(options.encoder).get_input_embeddings().weight.detach()
    model = MultimodalProduct(
        MultimodalProductConfig(
            words=len(table),
            word_width=table.shape[1],
            product_heads=describe(reading.heads),
            lexical_width=options.lexical_width if reading.hasher else 0,
            **{name: getattr(options, name) for name in ("width", "layers", "heads", "dropout", "side", "channels")},
            metadata_buckets=options.metadata_buckets,
            lexical_buckets=options.lexical_buckets,
            word_dropout=options.word_dropout,
            modalities=options.modalities,
        )
    )
    words_of(model).weight.data.copy_(table / table.std())
    words_of(model).requires_grad_(False)
    return model


def words_of(model: MultimodalProduct) -> nn.Embedding:
    """The word table: MiniLM's, or another encoder's; it stays as it was pretrained, the map behind it learns."""
    return model.tokens.words


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer and `labels.json`: heads, and what validation rows decide for each view of a product.

    The weights are written again, now with the share that the bag has in each head.
    """
    options = cast(Options, options)
    rows = cast(ProductRows, setup.eval_dataset)
    model = cast(MultimodalProduct, setup.model).eval()
    cast(Any, setup.processing_class).save_pretrained(folder)
    found = {view: view_logits(model, rows, view) for view in VIEWS}
    for place, view in enumerate(("text", "both")):
        kept, own, bag = found[view]
        for head in model.heads:
            part = (own[:, head.columns], bag[:, head.columns], rows.labels[kept][:, head.target_columns])
            model.mix[place, head.columns] = calibrate.mixture(head, *part)
    model.save_pretrained(folder)
    mixes = {"text": model.mix[0], "both": model.mix[1], "photo": torch.zeros_like(model.mix[0])}
    logits = {
        view: (kept, own + mixes[view].cpu().numpy() * bag) for view, (kept, own, bag) in found.items() if len(kept)
    }
    write_json(folder / "labels.json", _settings(rows, options, logits, pd.read_parquet(data / "validation.parquet")))


def _settings(
    rows: ProductRows, options: Options, logits: dict[str, tuple[np.ndarray, np.ndarray]], validation: pd.DataFrame
) -> dict[str, Any]:
    """The content of `labels.json`; see the family's README."""
    reading = rows.reading
    views = {
        view: calibrate.decisions(reading.heads, said, rows.labels[kept], options.right_when_sure)
        for view, (kept, said) in logits.items()
    }
    fullest = np.zeros((len(rows), sum(head.width for head in reading.heads)), dtype=np.float32)
    for view in ("photo", "text", "both"):  # the fuller view has the last word
        if view in logits:
            fullest[logits[view][0]] = logits[view][1]
    return {
        "heads": describe(reading.heads),
        "views": {
            view: {each["name"]: {"temperature": each["temperature"], "threshold": each["threshold"]} for each in said}
            for view, said in views.items()
        },
        "quality": calibrate.quality(reading.heads, fullest, validation),
        "currencies": {name: list(values) for name, values in reading.currencies.items()},
        "modalities": list(options.modalities),
        "max_length": options.max_length,
        "side": options.side,
        "metadata": options.metadata,
        "metadata_buckets": options.metadata_buckets,
        "value_separator": options.value_separator,
        "lexical": reading.hasher
        and {
            "buckets": options.lexical_buckets,
            "sizes": list(options.lexical_sizes),
            "limit": options.lexical_limit,
        },
    }
