"""What the engine trains for a graph recommender, and what serving needs besides the weights."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel

from vitrina.artifacts import write_json
from vitrina.families.graph_recommender.attention import PARAMETERS, Attention
from vitrina.families.graph_recommender.batches import Collator, Held, HeldRows, Questions
from vitrina.families.graph_recommender.beginning import first_vectors, graph_of, random_vectors, word_vectors
from vitrina.families.graph_recommender.choosing import choose
from vitrina.families.graph_recommender.comparison import compare
from vitrina.families.graph_recommender.configuration import GraphRecommenderConfig, Options
from vitrina.families.graph_recommender.graph import Graph
from vitrina.families.graph_recommender.modeling import GraphRecommender
from vitrina.families.graph_recommender.scoring import Scores
from vitrina.families.graph_recommender.serving import CHOICES, VECTORS
from vitrina.families.graph_recommender.walk import Walk
from vitrina.families.layers.comparison import comparison_section
from vitrina.families.layers.products import products_of
from vitrina.families.layers.recommenders import PRODUCTS, read_questions, training_histories, write_shop
from vitrina.recommendation.histories import Histories
from vitrina.recommendation.splitting import example_histories, example_targets
from vitrina.training.spec import TrainingSetup

NOTES = "notes.md"
SCALES, PRIORS = (1.0, 2.0, 4.0, 8.0, 16.0), (0.5, 0.75, 1.0)
CALIBRATING = 512
"""Validation rows whose loss chooses the scale to start from."""

CHOOSING = 2000
"""Validation rows, at most, that choose the weights, the walk and its share."""


def setup(data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
    """Build everything the engine needs; see `TrainerModule.setup`."""
    options = cast(Options, options)
    training = training_histories(data)
    products = pd.read_parquet(data / PRODUCTS)
    graph = graph_of(training, products, options)
    words = word_vectors(products_of(products), options.content) if options.content else None
    ordered = options.split != "random"
    questions = Questions(training, longest=options.history, targets=options.targets, ordered=ordered)
    fanout = () if options.propagation == "lightgcn" else options.drawn
    model = _model(options, graph, training, words, seed)
    collator = Collator(questions, graph, options.negatives, fanout)
    held = _some(held_rows(data, training, "validation"), seed)
    _start_calibrated(model, collator(held[:CALIBRATING]))
    return TrainingSetup(
        model=model,
        train_dataset=questions,
        eval_dataset=HeldRows(held),
        collator=collator,
        compute_metrics=_ndcg,
    )


def held_rows(data: Path, training: Histories, split: str) -> list[Held]:
    """The held-out users of a prepared folder; all of a history is left out of the ranking, as in the evaluation."""
    frame = read_questions(data, split)
    places = {product: place for place, product in enumerate(training.products)}
    histories, targets = example_histories(frame, places), example_targets(frame, places)
    return [Held(one, wanted, one.distinct) for one, wanted in zip(histories, targets, strict=True)]


def _start_calibrated(model: GraphRecommender, batch: dict[str, Any]) -> None:
    """Start with the scale and the weight of popularity that suit the first vectors, by the loss on validation rows.

    Where tastes are vague a large scale is sure of what it cannot know, and training takes epochs to undo it: on the
    sample store it ended a third lower in nDCG. The first vectors know the training rows, which would not tell.
    """
    losses = {}
    model.eval()
    with torch.no_grad():
        for scale, prior in itertools.product(SCALES, PRIORS):
            model.taste.scale.fill_(math.log(scale))
            model.taste.prior.fill_(prior)
            losses[scale, prior] = float(model(**batch).loss)
        scale, prior = min(losses, key=lambda each: losses[each])
        model.taste.scale.fill_(math.log(scale))
        model.taste.prior.fill_(prior)
    model.train()


def _some(rows: list[Held], seed: int) -> list[Held]:
    """At most `CHOOSING` rows: to rank all products for all users of a large shop costs as much as an epoch."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:CHOOSING]
    return [rows[row] for row in np.sort(chosen)]


def _model(
    options: Options, graph: Graph, training: Histories, words: np.ndarray | None, seed: int
) -> GraphRecommender:
    config = GraphRecommenderConfig(
        users=graph.users,
        products=graph.products,
        attributes=graph.attributes,
        dimension=options.dimension,
        propagation=options.propagation,
        layers=options.layers,
        heads=options.heads,
        dropout=options.dropout,
        content=0 if words is None else words.shape[1],
        loss=options.loss,
        user_weight=options.user_weight,
    )
    model = GraphRecommender(config)
    model.attach(graph, None if words is None else torch.from_numpy(words))
    model.taste.start()
    if options.start == "random":
        vectors, mapping = random_vectors(graph, options.dimension, seed), None
    else:
        vectors, mapping = first_vectors(graph, training, words, options.dimension, seed)
    with torch.no_grad():
        model.nodes.weight.copy_(torch.from_numpy(vectors))
        if model.content is not None and mapping is not None:
            model.content.weight.copy_(torch.from_numpy(mapping.T))
    return model


def _ndcg(prediction: Any) -> dict[str, float]:
    scores = prediction.predictions
    return {"ndcg": float((scores[0] if isinstance(scores, tuple) else scores).mean())}


def finish(setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
    """Write the final vectors, the graph to walk on, and `labels.json`: what validation decided.

    `attention_ndcg`, `walk_ndcg` and `mixed_ndcg` are nDCG@20 on the validation rows that decided.
    """
    from safetensors.numpy import save_file

    options, model = cast(Options, options), cast(GraphRecommender, setup.model)
    questions = cast(Questions, setup.train_dataset)
    arrays = served_arrays(model)
    save_file(arrays, folder / VECTORS)
    questions.histories.save(folder / CHOICES)
    write_shop(data, folder, questions.histories)
    attention = Attention(
        arrays["products"], arrays["degrees"], {name: arrays[name] for name in PARAMETERS}, options.history
    )
    held = cast(HeldRows, setup.eval_dataset)
    choice = choose(held.rows, attention, questions.histories.matrix())
    scores = Scores(attention, Walk(questions.histories.matrix(), choice.exponents), choice.share)
    compared = compare(scores, held.rows, questions.histories)
    (folder / NOTES).write_text(comparison_section(compared, len(held.rows)), encoding="utf-8")
    write_json(
        folder / "labels.json",
        {
            "history": options.history,
            "diversity": options.diversity,
            "share": choice.share,
            "exponents": dataclasses.asdict(choice.exponents),
            **choice.measured,
        },
    )


def served_arrays(model: GraphRecommender) -> dict[str, np.ndarray]:
    """Final unit vectors of the products, log degrees, and the parameters of the attention over a history."""
    first, count = model.config.users, model.config.products
    model.eval()
    arrays = {name: getattr(model.taste, name).detach() for name in PARAMETERS}
    arrays |= {"products": model.final()[first : first + count], "degrees": model.degrees}
    return {name: np.array(value.float().cpu().numpy()) for name, value in arrays.items()}
