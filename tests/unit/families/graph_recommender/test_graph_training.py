"""A graph recommender trained as the job trains it: it learns, and what it writes is served without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.graph_models import trained
from vitrina.artifacts import read_json
from vitrina.families.graph_recommender import serving
from vitrina.families.graph_recommender.beginning import first_vectors, graph_of, word_vectors
from vitrina.families.graph_recommender.configuration import Options
from vitrina.families.layers.products import products_of
from vitrina.families.layers.recommenders import training_histories
from vitrina.jobs import evaluate
from vitrina.recommendation.histories import Histories

LIGHT = {
    "model.propagation": "lightgcn",
    "model.fanout": None,
    "model.start": "random",
    "model.loss": "bpr",
    "training.max_steps": 60,
    "training.learning_rate": 0.05,
}


def test_attention_finds_the_category_of_a_user(graph_folder: Path, shop: Path, tmp_path: Path) -> None:
    measured = evaluate(str(graph_folder), shop, tmp_path / "evaluation")
    # Ten of twenty products of the right category are left: all of them in the first ten would be 1.
    assert measured.metrics["recall_at_10"] > 0.8
    assert measured.metrics["behaviour"] > 0.95
    decided = read_json(graph_folder / "labels.json")
    assert max(decided["attention_ndcg"], decided["walk_ndcg"]) <= decided["mixed_ndcg"]


def test_light_propagation_learns_from_noise(shop: Path, tmp_path: Path) -> None:
    model = trained(shop, tmp_path / "model", **LIGHT)
    losses = [entry["loss"] for entry in read_json(model / "metrics.json")["history"] if "loss" in entry]
    assert losses[-1] < 0.95 * losses[0]
    decided = read_json(model / "labels.json")
    assert decided["attention_ndcg"] > 0.4  # by chance: 0.1


def test_a_product_nobody_chose_starts_where_its_words_point(shop: Path) -> None:
    """Product 57 (a shirt) loses its customers: its first vector lies near the other shirts all the same."""
    training = training_histories(shop)
    kept = training.items != 57
    counts = np.bincount(training.user_of[kept], minlength=len(training))
    parts = (training.items[kept], training.times[kept], training.weights[kept])
    without = Histories(training.users, training.products, np.concatenate([[0], np.cumsum(counts)]), *parts)
    options = Options(attributes=(), links=0)
    products = pd.read_parquet(shop / "products.parquet")
    words = word_vectors(products_of(products), 8)
    assert words is not None
    graph = graph_of(without, products, options)
    vectors, mapping = first_vectors(graph, without, words, 16, seed=7)
    found = vectors[graph.product_nodes] + words @ mapping
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    shirts = [place for place in range(60) if place % 3 == 0 and place != 57]
    others = [place for place in range(60) if place % 3]
    assert (found[shirts] @ found[57]).mean() > (found[others] @ found[57]).mean() + 0.3


def test_a_model_is_loaded_without_torch_or_transformers(graph_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from vitrina.families.graph_recommender import serving\n"
        f"serving.load(Path({str(graph_folder)!r}))\n"
        "assert not {'torch', 'transformers', 'torch_geometric', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_damaged_folder_is_named(graph_folder: Path, tmp_path: Path) -> None:
    from shutil import copytree

    from vitrina.errors import ArtifactError

    broken = copytree(graph_folder, tmp_path / "broken")
    (broken / serving.VECTORS).unlink()
    with pytest.raises(ArtifactError, match=serving.VECTORS):
        serving.load(broken)
