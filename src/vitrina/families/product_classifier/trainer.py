"""What the engine trains for a product classifier, and what serving needs besides the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel

from vitrina.artifacts import write_json
from vitrina.errors import UsageError
from vitrina.families.layers.product_heads import calibrate, lexical_fit, scores, targets
from vitrina.families.layers.product_heads.heads import Head, describe
from vitrina.families.layers.smoothing import SmoothedTrainer
from vitrina.families.layers.text_encoder import encoder_config
from vitrina.families.product_classifier.configuration import Options, ProductClassifierConfig
from vitrina.families.product_classifier.data import TokenizedRows, collate
from vitrina.families.product_classifier.modeling import ProductClassifier
from vitrina.text.encoders import load_tokenizer
from vitrina.text.ngrams import NgramHasher
from vitrina.training.schedules import LAYER
from vitrina.training.spec import TrainingSetup

BATCH = 64


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    options = cast(Options, options)
    train, validation = (pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation"))
    heads = targets.choose_heads(train, options)
    tokenizer = load_tokenizer(options.encoder)
    labels = targets.label_matrix(train, heads, options.value_separator)
    held_out = targets.label_matrix(validation, heads, options.value_separator)
    hasher = _hasher(options)
    texts = targets.texts_of(train)
    rows = TokenizedRows(texts, labels, tokenizer, options.max_length, hasher, altered=options.altered)
    model = _model(options, heads, labels)
    if hasher is not None:
        lexical_fit.fit(model, [row["ngram_ids"] for row in rows.rows], labels, options.lexical_strength)
    return TrainingSetup(
        model=model,
        train_dataset=cast(Any, rows),
        eval_dataset=cast(
            Any, TokenizedRows(targets.texts_of(validation), held_out, tokenizer, options.max_length, hasher)
        ),
        collator=collate,
        compute_metrics=lambda prediction: scores.measured(prediction, heads),
        processing_class=tokenizer,
        trainer_class=SmoothedTrainer,
    )


def _hasher(options: Options) -> NgramHasher | None:
    if not options.lexical_width:
        return None
    return NgramHasher(options.lexical_buckets, options.lexical_sizes, options.lexical_limit)


def _model(options: Options, heads: Sequence[Head], labels: np.ndarray) -> ProductClassifier:
    config = ProductClassifierConfig(
        encoder=encoder_config(options.encoder, options.encoder_layers),
        heads=describe(heads),
        dropout=options.dropout,
        lexical_width=options.lexical_width,
        lexical_buckets=options.lexical_buckets,
        logit_adjustment=options.logit_adjustment,
    )
    model = ProductClassifier(config)
    model.encoder.load(options.encoder)
    model.log_prior.copy_(torch.from_numpy(log_prior(heads, labels)))
    if options.frozen_layers:
        _freeze(model, options.frozen_layers)
    return model


def _freeze(model: ProductClassifier, layers: int) -> None:
    """Keep the embeddings and the lowest layers of the encoder as they are: a third less work a step with half of them.

    Raises:
        UsageError: when the encoder has not more layers than that, or they are not numbered.
    """
    depths = {name: LAYER.search(f".{name}") for name, _ in model.encoder.named_parameters()}
    top = max((int(match[1]) for match in depths.values() if match), default=-1)
    if layers > top:
        raise UsageError(f"model.frozen_layers is {layers}, but the encoder has {top + 1} numbered layers.")
    for name, weight in model.encoder.named_parameters():
        match = depths[name]
        weight.requires_grad = int(match[1]) >= layers if match else "embed" not in name


def log_prior(heads: Sequence[Head], labels: np.ndarray) -> np.ndarray:
    """Log share of every label of the single-label heads among the training rows; 0 for other columns."""
    prior = np.zeros(sum(head.width for head in heads), dtype=np.float32)
    for head in heads:
        if head.kind == "one":
            known = labels[:, head.target][~np.isnan(labels[:, head.target])].astype(int)
            counts = np.bincount(known, minlength=head.width)
            prior[head.columns] = np.log(np.maximum(counts, 1) / max(1, len(known)))
    return prior


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer and `labels.json`: the heads, and what validation data decides about each.

    The weights are written again, now with the share that the bag has in each head.
    """
    options = cast(Options, options)
    cast(Any, setup.processing_class).save_pretrained(folder)
    validation = pd.read_parquet(data / "validation.parquet")
    model = cast(ProductClassifier, setup.model).eval()
    labels = cast(TokenizedRows, setup.eval_dataset).labels
    encoder, bag = _logits(setup)
    for head in model.heads:
        part = (encoder[:, head.columns], bag[:, head.columns], labels[:, head.target_columns])
        model.mix[head.columns] = calibrate.mixture(head, *part)
    model.save_pretrained(folder)
    logits = encoder + model.mix.cpu().numpy() * bag
    write_json(
        folder / "labels.json",
        {
            "heads": calibrate.decisions(model.heads, logits, labels, options.right_when_sure),
            "quality": calibrate.quality(model.heads, logits, validation),
            "max_length": options.max_length,
            "value_separator": options.value_separator,
            "lexical": _lexical(options),
        },
    )


def _lexical(options: Options) -> dict[str, Any] | None:
    if not options.lexical_width:
        return None
    return {
        "buckets": options.lexical_buckets,
        "sizes": list(options.lexical_sizes),
        "limit": options.lexical_limit,
    }


def _logits(setup: TrainingSetup) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the validation rows, in their order: of the encoder alone, and of the bag alone (0 without one)."""
    model = cast(ProductClassifier, setup.model)
    rows = cast(Any, setup.eval_dataset)
    whole, lexical = [], []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            batch = setup.collator([rows[i] for i in range(start, min(start + BATCH, len(rows)))])
            inputs = {name: value.to(model.device) for name, value in batch.items() if name != "labels"}
            logits = model(**inputs).logits
            bag = torch.zeros_like(logits) if model.lexical is None else model.lexical_logits(inputs["ngram_ids"])
            whole.append((logits - model.mix * bag).cpu().numpy())
            lexical.append(bag.cpu().numpy())
    return np.concatenate(whole), np.concatenate(lexical)
