"""What is fitted and trained for a hybrid recommender, and how validation decides what is served."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from pydantic import BaseModel

from vitrina.artifacts import write_json
from vitrina.families.hybrid_recommender import components, mixing
from vitrina.families.hybrid_recommender.batches import Collator, Question, Questions, TrainingRows
from vitrina.families.hybrid_recommender.candidates import training_candidates
from vitrina.families.hybrid_recommender.configuration import HybridRecommenderConfig, Options
from vitrina.families.hybrid_recommender.content import content_vectors
from vitrina.families.hybrid_recommender.ensemble import Factors
from vitrina.families.hybrid_recommender.modeling import HybridRecommender, served
from vitrina.families.layers.recommenders import training_histories, write_shop
from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members import Member
from vitrina.recommendation.shelf import PRODUCTS
from vitrina.recommendation.splitting import example_histories, example_targets
from vitrina.training.spec import TrainingSetup

CHOOSING = 2000
"""Validation rows, at most, that choose the weights while training."""

NOTES = "notes.md"


@dataclass
class Fitted:
    """What a setup has besides the network: it reaches `finish` as the model's attribute `fitted`."""

    histories: Histories
    products: components.Products
    members: dict[str, Member]
    seconds: dict[str, float]
    questions: list[Question]
    segments: list[str]
    chosen: mixing.Chosen | None = None


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Fit the closed-form members, and build what the network learns from; see `TrainerModule.setup`.

    Without a network the setup has no training rows, and `fit` does all.
    """
    options = cast(Options, options)
    histories = training_histories(data, options.longest)
    catalogue = pq.read_table(data / PRODUCTS)
    content = content_vectors(catalogue.to_pandas(), options.content_width, options.embedder, seed)
    products = components.Products(content, catalogue)
    validation = pd.read_parquet(data / "validation.parquet")
    questions = _questions(validation, histories)
    fitted = Fitted(histories, products, {}, {}, questions, validation["segment"].tolist())
    if not options.neural:
        shell = _with(HybridRecommender(HybridRecommenderConfig()), fitted)
        return TrainingSetup(shell, None, None, cast(Any, None), fit=lambda: _closed_form(fitted, options))
    _fit_members(fitted, options)
    rows = TrainingRows(histories, options)
    collator = Collator(rows, options)
    collator.candidates = training_candidates(rows, products, options, seed)
    model = _with(network_of(fitted, rows, options), fitted)
    chosen = np.random.default_rng(seed).permutation(len(questions))[:CHOOSING]
    return TrainingSetup(
        model=model,
        train_dataset=cast(Any, rows),
        eval_dataset=cast(Any, Questions([questions[row] for row in chosen])),
        collator=cast(Any, collator),
        compute_metrics=lambda prediction: {"ndcg_at_10": float(np.mean(prediction.predictions))},
    )


def _with(model: HybridRecommender, fitted: Fitted) -> HybridRecommender:
    model.fitted = fitted
    return model


def _questions(validation: pd.DataFrame, histories: Histories) -> list[Question]:
    places = {product: place for place, product in enumerate(histories.products)}
    parts = zip(
        validation["user_id"],
        example_histories(validation, places),
        example_targets(validation, places),
        strict=True,
    )
    return [Question(histories.place(user), history, targets) for user, history, targets in parts]


def _fit_members(fitted: Fitted, options: Options) -> None:
    """Those that may be mixed in, and the baselines that every card compares with."""
    names = dict.fromkeys([*options.members, *components.BASELINES])
    found = components.fit(names, fitted.histories, fitted.products, options.member_options)
    fitted.members, fitted.seconds = found


def _closed_form(fitted: Fitted, options: Options) -> dict[str, float]:
    _fit_members(fitted, options)
    fitted.chosen = mixing.choose(fitted.members, fitted.questions, options)
    return {"ndcg_at_10": fitted.chosen.quality}


def network_of(fitted: Fitted, rows: TrainingRows, options: Options) -> HybridRecommender:
    histories = fitted.histories
    config = HybridRecommenderConfig(
        products=len(histories.products),
        users=len(histories),
        content_width=options.content_width,
        features=1 + max(len(options.members), 1),
        width=options.width,
        history=options.history,
        hidden=options.hidden,
        loss=options.loss,
        negatives=options.negatives,
        dropout=options.dropout,
        id_dropout=options.id_dropout,
        start_temperature=options.temperature,
    )
    model = HybridRecommender(config)
    counts = np.bincount(histories.items[rows.events], minlength=len(histories.products))
    model.start(torch.from_numpy(fitted.products.content), torch.from_numpy(counts.astype(np.float32)))
    return model


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Choose the mix on validation rows; write what of it is needed, what the shop has, and the comparison."""
    options = cast(Options, options)
    model = cast(Any, setup.model).eval()
    fitted: Fitted = model.fitted
    factors = factors_of(model, fitted.histories.users) if options.neural else None
    network = served(model) if options.neural else None
    chosen = fitted.chosen or mixing.choose(fitted.members, fitted.questions, options, factors, network)
    for name in chosen.mix.members:
        fitted.members[name].save(folder / components.FOLDER / name)
    if factors is not None:
        factors.save(folder)
    write_shop(data, folder, fitted.histories)
    np.save(folder / mixing.CONTENT_FILE, fitted.products.content.astype(np.float16))
    write_json(folder / "labels.json", chosen.settings())
    (folder / NOTES).write_text(chosen.notes(fitted.seconds, fitted.segments), encoding="utf-8")


def factors_of(model: HybridRecommender, ids: list[str]) -> Factors:
    """What the network learned of products and of the users `ids`."""
    with torch.inference_mode():
        vectors, biases = model.all_products()
        users = model.user_embedding.weight
        users = torch.cat([users[1:], torch.zeros_like(users[:1])])
        return Factors(
            products=vectors.cpu().numpy(),
            biases=biases.cpu().numpy(),
            ids=ids,
            users=users.cpu().numpy(),
            scale=float(model.log_scale.exp()),
            longest=model.config.history,
        )
