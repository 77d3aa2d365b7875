"""What of the tower is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from tests.fashion_models import small
from vitrina.artifacts import read_json
from vitrina.families.fashion_recommender import trainer
from vitrina.families.fashion_recommender.modeling import FashionRecommender
from vitrina.families.fashion_recommender.share import best_share
from vitrina.families.fashion_recommender.spec import SPEC
from vitrina.training.preset import load_preset


def test_the_folder_keeps_the_share_that_it_says(fashion_folder: Path) -> None:
    share = read_json(fashion_folder / "labels.json")["share"]
    assert 0 <= share <= 1
    assert float(FashionRecommender.from_pretrained(fashion_folder).tower.share) == pytest.approx(share)


Started = tuple[Any, Any, np.ndarray]


@pytest.fixture
def started(fashion_data: Path, tiny_encoder: Path) -> Started:
    """A model whose tower adds 0.2 stars to everything, its collator, and what the biases say of validation reviews."""
    setup = trainer.setup(fashion_data, load_preset(SPEC, "smoke", small(tiny_encoder)).model, 7, None)
    model, collator = cast(Any, setup.model).eval(), cast(Any, setup.collator)
    count = len(collator.store.rows["validation"].stars)
    with torch.no_grad():
        biases = model(**collator([{"split": "validation", "pair": i, "photo": 0} for i in range(count)])).rating
        model.tower.mix[2].bias.fill_(0.2)
    return model, collator, biases.numpy()


def asked(started: Started, stars: np.ndarray) -> float:
    """The share, where the validation reviews have these stars."""
    model, collator, _ = started
    rows = collator.store.rows
    rows["validation"] = replace(rows["validation"], stars=stars.astype(np.float32))
    return best_share(model, collator)


@pytest.mark.parametrize(("told", "share"), [(0.5, 0.5), (-1.0, 0.0), (3.0, 1.0)])
def test_it_is_what_the_validation_stars_ask_for(started: Started, told: float, share: float) -> None:
    assert asked(started, started[2] + 0.2 * told) == pytest.approx(share, abs=1e-3)


def test_what_could_be_chance_is_not_kept(started: Started) -> None:
    biases = started[2]
    noise = np.random.default_rng(0).normal(size=len(biases))
    noise = (noise - noise.mean()) / noise.std() * 0.2 * len(biases) ** 0.5  # a standard error of a whole share
    assert asked(started, biases + 0.2 + 0.4 * noise) == pytest.approx(0.6, abs=1e-2)
    assert asked(started, biases + 0.2 + 2 * noise) == 0
