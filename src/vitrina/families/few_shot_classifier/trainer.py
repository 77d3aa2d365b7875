"""What the engine trains for a few-shot classifier, and what serving needs besides the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import BaseModel

from vitrina.artifacts import write_json
from vitrina.evaluation import calibration
from vitrina.families.few_shot_classifier import episodes, images
from vitrina.families.few_shot_classifier.batches import Collator, Episodes, ImageSource, Source, TextSource, pictures
from vitrina.families.few_shot_classifier.configuration import FewShotClassifierConfig, Options
from vitrina.families.few_shot_classifier.head import Rates, adapt
from vitrina.families.few_shot_classifier.modeling import FewShotClassifier, ImageEncoder
from vitrina.families.layers.smoothing import SmoothedTrainer
from vitrina.families.layers.text_encoder import TextEncoder, encoder_config
from vitrina.text.encoders import load_tokenizer
from vitrina.training.spec import TrainingSetup

CALIBRATING = 200
"""Validation episodes that decide temperature and threshold, of at most `WAYS` classes."""

DECIDING = 20
"""Rows a validation class that take part in them."""

SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Of the learned inner rates, which the validation classes choose from: training's own classes may overrate them."""

WAYS, SHOTS, QUERIES = 20, 5, 5
CHUNK = 128


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    options = cast(Options, options)
    tokenizer = load_tokenizer(options.encoder) if options.modality == "text" else None
    train, validation = (
        _source(data / f"{name}.parquet", options, tokenizer, seed) for name in ("train", "validation")
    )
    return TrainingSetup(
        model=_model(options),
        train_dataset=Episodes(train, options.episode, training=True),
        eval_dataset=Episodes(validation, options.episode, training=False),
        collator=Collator(tokenizer),
        compute_metrics=_accuracy,
        processing_class=tokenizer,
        trainer_class=SmoothedTrainer,
    )


def _source(path: Path, options: Options, tokenizer: Any, seed: int) -> Source:
    frame = pd.read_parquet(path)
    rows = list(episodes.rows_by_class(frame["label"]).values())
    if options.modality == "text":
        return TextSource(list(frame["text"]), rows, tokenizer, options.max_length)
    multiplied = options.image if path.stem == "train" else None
    return ImageSource(pictures(list(frame["text"]), options.image), rows, multiplied, seed)


def _model(options: Options) -> FewShotClassifier:
    text = options.modality == "text"
    config = FewShotClassifierConfig(
        encoder=encoder_config(options.encoder, options.encoder_layers) if text else None,
        image=None if text else options.image.model_dump(mode="json"),
        order=options.order,
        inner_steps=options.inner_steps,
        inner_learning_rate=options.inner_learning_rate,
        prototype_weight=options.prototype_weight,
    )
    model = FewShotClassifier(config)
    if isinstance(model.encoder, TextEncoder):
        model.encoder.load(options.encoder)
    return model


def _accuracy(prediction: Any) -> dict[str, float]:
    adapted, prototypes = prediction.predictions
    return {"accuracy": float(adapted.mean()), "prototype_accuracy": float(prototypes.mean())}


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer and `labels.json`: how to adapt, temperature, threshold, reference classes, and accuracies.

    All decisions are made on episodes of the validation classes; `frozen_accuracy` is that of the nearest prototype on
    the pretrained encoder, where there is one.
    """
    options, model = cast(Options, options), cast(FewShotClassifier, setup.model)
    rows = _few_a_class(pd.read_parquet(data / "validation.parquet"))
    measured: dict[str, float] = {}
    if isinstance(model.encoder, TextEncoder):
        cast(Any, setup.processing_class).save_pretrained(folder)
        before = _model(options).to(model.device)
        frozen, truth = _answers(_embedded(before, rows, setup, options), rows, _rates(before).without_steps())
        measured["frozen_accuracy"] = float((frozen.argmax(1) == truth).mean())
        if options.pretrained_share:
            _average(model, before, options.pretrained_share)
            model.save_pretrained(folder)
    rates, vectors = _rates(model), _embedded(model, rows, setup, options)
    accuracies = {}
    for share in SHARES:  # of the learned rates; 0 is the prototypes alone, and wins a tie
        logits, truth = _answers(vectors, rows, rates.scaled(share))
        accuracies[share] = float((logits.argmax(1) == truth).mean())
    share = max(SHARES, key=lambda each: (accuracies[each], -each))
    rates = rates.scaled(share)
    logits, truth = _answers(vectors, rows, rates)
    measured |= {"prototype_accuracy": accuracies[0.0], "adapted_accuracy": accuracies[share], "rate_share": share}
    temperature = calibration.fit_temperature(logits, truth)
    probabilities = calibration.softmax(logits / temperature)
    threshold = calibration.clarification_threshold(
        probabilities.max(1), probabilities.argmax(1) == truth, target=options.right_when_sure
    )
    content: dict[str, Any] = {
        "modality": options.modality,
        "max_length": options.max_length,
        "threshold": threshold,
        **measured,
    }
    content["image"] = options.image.model_dump(mode="json", include={"side", "drawings", "views"})
    content["adaptation"] = rates.dump(temperature)
    content["reference"] = {label: list(part["text"].head(SHOTS)) for label, part in rows.groupby("label")}
    write_json(folder / "labels.json", content)


def _few_a_class(frame: pd.DataFrame) -> pd.DataFrame:
    """Enough rows of every class for the decisions, the same each time."""
    return frame.sort_values("row_id").groupby("label", sort=True).head(DECIDING).reset_index(drop=True)


def _embedded(model: FewShotClassifier, rows: pd.DataFrame, setup: TrainingSetup, options: Options) -> np.ndarray:
    """Unit-length embeddings (rows, width) float32, as serving makes them."""
    model = model.eval()
    found = []
    with torch.inference_mode():
        for start in range(0, len(rows), CHUNK):
            inputs = _inputs(list(rows["text"][start : start + CHUNK]), setup, options)
            vectors = model.embed(**{name: value.to(model.device) for name, value in inputs.items()})
            if isinstance(model.encoder, ImageEncoder):
                vectors = F.normalize(vectors.unflatten(0, (-1, options.image.views)).mean(1), dim=1)
            found.append(vectors.cpu().numpy())
    return np.concatenate(found)


def _inputs(texts: list[str], setup: TrainingSetup, options: Options) -> dict[str, torch.Tensor]:
    """What the encoder reads; of an image all its views, one after the other."""
    if setup.processing_class is None:
        seen = [images.views(each, options.image.views) for each in pictures(texts, options.image)]
        return {"pixels": torch.from_numpy(images.pixels(np.concatenate(seen)))}
    given = {"truncation": True, "max_length": options.max_length, "padding": True, "return_tensors": "pt"}
    encoded = cast(Any, setup.processing_class)(texts, **given)
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def _rates(model: FewShotClassifier) -> Rates:
    learned = model.adaptation
    weight, bias = (each.detach().cpu().numpy() for each in (learned.rates, learned.bias_rates))
    return Rates(float(learned.log_scale.detach().exp()), weight, bias)


def _answers(vectors: np.ndarray, rows: pd.DataFrame, rates: Rates) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the queries of many validation episodes, one- and five-shot in turn, and their true positions."""
    classes = list(episodes.rows_by_class(rows["label"]).values())
    most = min(len(each) for each in classes) - 1
    rng = np.random.default_rng(0)
    logits, truth = [], []
    for number in range(CALIBRATING):
        shots = min((1, SHOTS)[number % 2], most)
        one = episodes.draw(classes, min(WAYS, len(classes)), shots, QUERIES, rng)
        logits.append(adapt(vectors[one.support], one.support_labels, one.ways, rates).logits(vectors[one.query]))
        truth.append(one.query_labels)
    return np.concatenate(logits), np.concatenate(truth)


def _average(model: FewShotClassifier, pretrained: FewShotClassifier, share: float) -> None:
    """Move the encoder back towards the pretrained weights (WiSE-FT, Wortsman et al., 2022)."""
    with torch.no_grad():
        for own, old in zip(model.encoder.parameters(), pretrained.encoder.parameters(), strict=True):
            own.lerp_(old, share)
