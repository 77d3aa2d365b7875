"""What the engine trains for a product imager, and what serving needs besides the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pandas as pd
from pydantic import BaseModel

from vitrina.errors import UsageError
from vitrina.families.product_imager.batches import Collator, Photos
from vitrina.families.product_imager.building import build_model, build_tokenizer
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.modeling import diffused_shape
from vitrina.training.spec import TrainingSetup


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    if teacher is not None:
        raise UsageError("A product imager learns from photos; it takes no teacher.")
    options = cast(Options, options)
    train, validation = (pd.read_parquet(data / f"{name}.parquet") for name in ("train", "validation"))
    labels = sorted(set(train["category"].dropna()))
    tokenizer = build_tokenizer(list(train["text"]), options)
    model = build_model(options, tokenizer, len(labels))
    return TrainingSetup(
        model=model,
        train_dataset=cast(Any, Photos(train, labels, options)),
        eval_dataset=cast(Any, Photos(validation, labels, options)),
        collator=cast(Any, Collator(tokenizer, diffused_shape(model), options)),
        processing_class=tokenizer,
    )


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write tokenizer, `labels.json`, and the critic with what it knows of real photos."""
    from vitrina.families.product_imager.finishing import write_serving

    write_serving(setup, data, cast(Options, options), folder)
