"""What the engine trains for a product re-ranker, and what serving needs besides the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from safetensors import SafetensorError
from safetensors.numpy import save_file
from safetensors.torch import load_file
from transformers import AutoModel, Trainer

from vitrina.artifacts import write_json
from vitrina.errors import UsageError
from vitrina.evaluation import matching
from vitrina.families.layers.text_encoder import encoder_config, freeze
from vitrina.families.product_reranker import trees
from vitrina.families.product_reranker.batches import PairCollator, PairRows
from vitrina.families.product_reranker.configuration import Options, ProductRerankerConfig
from vitrina.families.product_reranker.modeling import ProductReranker
from vitrina.families.product_reranker.reading import Idf, Pair, read_frame
from vitrina.families.product_reranker.serving import IDF, LABELS, sigmoid
from vitrina.families.product_reranker.similarity import SIMILARITIES
from vitrina.text.encoders import load_tokenizer, resolve_encoder
from vitrina.training.spec import TrainingSetup

SEED = 7
"""Of the trees: they vary little with it."""


class RerankerTrainer(Trainer):
    """Binary cross-entropy with the engine's label smoothing."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs["labels"]
        output = model(**{name: value for name, value in inputs.items() if name != "labels"})
        smoothing = self.args.label_smoothing_factor if model.training else 0.0
        loss = self.accelerator.unwrap_model(model).loss(output.logits, labels, smoothing)
        return (loss, output) if return_outputs else loss


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`. The idf is that of the training products."""
    options = cast(Options, options)
    tokenizer = load_tokenizer(options.encoder)
    train, validation = (pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation"))
    pairs = read_frame(train)
    idf = idf_of(pairs)
    rows = PairRows(pairs, train["match"].tolist(), idf, tokenizer, options, training=True)
    held_out = PairRows(read_frame(validation), validation["match"].tolist(), idf, tokenizer, options)
    return TrainingSetup(
        model=_model(options, rows.similarities),
        train_dataset=cast(Any, rows),
        eval_dataset=cast(Any, held_out),
        collator=PairCollator(tokenizer, options.max_length),
        compute_metrics=_quality,
        processing_class=tokenizer,
        trainer_class=RerankerTrainer,
    )


def idf_of(pairs: list[Pair]) -> Idf:
    """Of the distinct products of `pairs`."""
    return Idf.fitted({id(reading): reading for pair in pairs for reading in pair}.values())


def _model(options: Options, table: np.ndarray) -> ProductReranker:
    encoder = encoder_config(options.encoder, options.encoder_layers)
    if encoder.get("type_vocab_size", 0) < 2:
        raise UsageError(f"model.encoder: {options.encoder} does not tell two texts apart; choose a BERT encoder.")
    config = ProductRerankerConfig(
        encoder=encoder,
        similarities=len(SIMILARITIES),
        bins=options.bins,
        similarity_width=options.similarity_width,
        text_width=options.text_width,
        dropout=options.dropout,
    )
    model = ProductReranker(config)
    model.encoder = AutoModel.from_pretrained(
        resolve_encoder(options.encoder), config=model.encoder.config, dtype=torch.float32
    )
    if options.start is not None:
        _go_on_from(options.start, model)
    model.pieces.fit(table)
    freeze(model.encoder, options.frozen_layers)
    return model


def _go_on_from(folder: Path, model: ProductReranker) -> None:
    """Take the weights of a re-ranker trained before, on other pairs: what makes two products differ carries over."""
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UsageError(f"model.start: {folder} is no re-ranker of this shape ({error}).") from error


def _quality(prediction: Any) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
    truth = prediction.label_ids > 0.5
    return {
        "f1": matching.best_f1(logits, truth),
        "average_precision": float(average_precision_score(truth, logits)),
    }


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer, idf, trees and `labels.json` with what validation pairs decide: mix, calibration, threshold."""
    options = cast(Options, options)
    cast(Any, setup.processing_class).save_pretrained(folder)
    train, validation = cast(PairRows, setup.train_dataset), cast(PairRows, setup.eval_dataset)
    grown = trees.fit(train.similarities, train.labels > 0.5, options.trees, SEED)
    trees.write(grown, len(SIMILARITIES), folder / trees.TREES)
    truth = validation.labels > 0.5
    judged = np.column_stack([_logits(setup), trees.Trees.load(folder).logits(validation.similarities)])
    slopes, offset = calibrated(judged, truth)
    write_json(
        folder / LABELS,
        {
            "labels": ["different", "same"],
            "slopes": slopes.tolist(),
            "offset": offset,
            "threshold": matching.expected_threshold(sigmoid(judged @ slopes + offset)),
            "max_length": options.max_length,
            "description_words": options.description_words,
            "similarities": list(SIMILARITIES),
        },
    )
    idf = idf_of(read_frame(pd.read_parquet(data / "train.parquet")))
    save_file({"counts": idf.counts, "products": np.array([idf.products])}, folder / IDF)


def calibrated(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes and offset with which sigmoid(logits @ slopes + offset) is a probability (Platt, 1999; Wolpert, 1992).

    Logits are (pairs, judges): network and trees. A judge that validation pairs contradict gets no say; it is not
    turned round, which would hide that it learned nothing.
    """
    from sklearn.linear_model import LogisticRegression

    slopes = np.zeros(logits.shape[1])
    heard = np.arange(logits.shape[1])
    while True:
        fitted = LogisticRegression(C=100.0).fit(logits[:, heard], truth)
        found = fitted.coef_[0]
        if (found > 0).all() or len(heard) == 1:
            break
        heard = np.delete(heard, found.argmin())
    slopes[heard] = np.maximum(found, 1e-3)
    return slopes, float(fitted.intercept_[0])


def _logits(setup: TrainingSetup) -> np.ndarray:
    """Logits of the validation pairs, in their order."""
    model = setup.model.eval()
    rows = cast(Any, setup.eval_dataset)
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows), 64):
            batch = setup.collator([rows[i] for i in range(start, min(start + 64, len(rows)))])
            found.append(model(**{name: value.to(model.device) for name, value in batch.items()}).logits.cpu().numpy())
    return np.concatenate(found)
