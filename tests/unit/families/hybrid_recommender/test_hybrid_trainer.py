"""What a training leaves: the mix that validation chose, an honest card, ONNX only where a network is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.recommender_models import trained_hybrid
from vitrina.artifacts import read_json, verify_manifest
from vitrina.errors import UsageError
from vitrina.families.hybrid_recommender import components, mixing, serving
from vitrina.families.hybrid_recommender.batches import TrainingRows
from vitrina.families.hybrid_recommender.candidates import training_candidates
from vitrina.families.hybrid_recommender.configuration import Options
from vitrina.families.hybrid_recommender.content import content_vectors
from vitrina.families.hybrid_recommender.ensemble import Mix
from vitrina.families.layers.recommenders import read_questions, training_histories
from vitrina.recommendation.shelf import PRODUCTS, read_products
from vitrina.training.preset import load_preset


def test_a_linear_model_has_no_steps_no_network_and_no_export(linear_folder: Path) -> None:
    verify_manifest(linear_folder)
    names = {path.name for path in linear_folder.iterdir()}
    assert not names & {"model.onnx", "model.int8.onnx", "parity.json", "factors.safetensors"}
    report = read_json(linear_folder / "metrics.json")
    assert report["training"]["steps"] == 0
    assert report["training"]["seconds"] > 0
    mix = Mix.read(read_json(linear_folder / "labels.json"))
    assert not mix.neural
    assert {path.name for path in (linear_folder / "members").iterdir()} == set(mix.members)


def test_a_network_is_exported_and_int8_says_nearly_the_same(hybrid_folder: Path) -> None:
    parity = read_json(hybrid_folder / "parity.json")
    assert parity["torch_onnx_max_difference"] < 1e-3
    assert abs(parity["ndcg_at_10_loss"]) < 0.05


@pytest.mark.parametrize("name", ["linear_folder", "hybrid_folder"])
def test_the_card_compares_with_every_simple_recommender_and_says_who_wins(
    name: str, request: pytest.FixtureRequest
) -> None:
    card = (request.getfixturevalue(name) / "README.md").read_text()
    for baseline in components.BASELINES:
        assert f"| {baseline} |" in card
    assert "This model beats" in card or "does not beat" in card or "is not shown to beat" in card
    assert "hash of each row" not in card
    assert "calibrated" not in card


def test_the_reference_has_what_drift_watches(hybrid_folder: Path) -> None:
    reference = pd.read_parquet(hybrid_folder / "reference.parquet")
    assert {"label", "segment", "popularity", "score", "length", "embedding", "user_id"} <= set(reference.columns)


def test_users_known_in_training_are_found_by_name(hybrid_folder: Path, recommender_data: Path) -> None:
    from vitrina.families.hybrid_recommender.ensemble import Factors

    factors = Factors.load(hybrid_folder)
    training = training_histories(recommender_data)
    assert factors.ids == training.users
    assert factors.users.shape[0] == len(training.users) + 1
    assert not factors.users[-1].any()
    np.testing.assert_allclose(np.linalg.norm(factors.products, axis=1), 1, atol=1e-5)


def test_the_card_says_so_when_a_simple_recommender_is_not_beaten() -> None:
    good, bad = (np.full(50, value) for value in (0.5, 0.2))
    for own, best, said in (
        (good, bad, "This model beats"),
        (bad, good, "**This model does not beat the best simple recommender, ease**"),
        (good, good, "**This model is not shown to beat the best simple recommender, ease**"),
    ):
        compared = [mixing.Compared(mixing.MIXED, own, own), mixing.Compared("ease", best, best)]
        chosen = mixing.Chosen(Mix({"ease": 1.0}), float(own.mean()), compared)
        assert said in chosen.notes({"ease": 1.5}, ["heavy"] * 50)
        assert "| ease |" in chosen.notes({}, ["heavy"] * 50)


def test_what_the_second_look_learns_from_was_not_seen_by_its_members(recommender_data: Path) -> None:
    histories = training_histories(recommender_data)
    options = Options.model_validate({"members": ["item_knn"], "content_width": 8})
    rows = TrainingRows(histories, options)
    catalogue = pd.read_parquet(recommender_data / PRODUCTS)
    products = components.Products(content_vectors(catalogue, 8), read_products(recommender_data / PRODUCTS))
    found = training_candidates(rows, products, options, 7)
    assert found is not None
    moments = histories.times[rows.events[found.rows]]
    assert moments.min() >= np.quantile(histories.times[rows.events], 0.8)
    for place, row in enumerate(found.rows[:50]):
        seen = set(rows.history(int(row), 500).items.tolist())
        assert found.products[place, 0] == rows.target(int(row))
        assert not seen & set(found.products[place, 1:].tolist())
    right, others = found.features[:, 0, 0], found.features[:, 1:, 0]
    assert right.mean() < others[:, :5].mean()  # a member that had seen the row would put it first
    assert training_candidates(rows, products, options.model_copy(update={"members": ()}), 7) is None


def test_a_model_without_members_is_the_network_alone(recommender_data: Path, tmp_path: Path) -> None:
    changes = {"model.members": [], "training.max_steps": 5, "training.eval_every": 5, "training.checkpoint_every": 5}
    folder = trained_hybrid(recommender_data, tmp_path / "model", **changes)
    predictor = serving.load(folder)
    assert predictor.mix.weights == {components.NEURAL: 1.0}
    assert len(predictor.predict_frame(read_questions(recommender_data, "test").head(3))) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.members": ["magic"]}, "no member magic"),
        ({"model.members": ["ease", "ease"]}, "named twice"),
        ({"model.members": [], "model.neural": False}, "nothing is left"),
        ({"model.loss": "squared"}, "belong together"),
        ({"model.target": "ratings"}, "belong together"),
    ],
)
def test_options_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    from vitrina.families.hybrid_recommender.spec import SPEC

    with pytest.raises(UsageError, match=message):
        load_preset(SPEC, "smoke", change)
