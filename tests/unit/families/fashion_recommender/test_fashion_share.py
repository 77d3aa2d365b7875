"""What of the tower is kept."""

from dataclasses import replace
from pathlib import Path

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


def test_the_folder_keeps_the_share_that_it_says(fashion_folder: Path):
    share = read_json(fashion_folder / "labels.json")["share"]
    assert 0 <= share <= 1
    assert float(FashionRecommender.from_pretrained(fashion_folder).tower.share) == pytest.approx(share)


@pytest.mark.parametrize(("told", "share"), [(0.5, 0.5), (-1.0, 0.0), (3.0, 1.0)])
def test_it_is_what_the_validation_stars_ask_for(fashion_data: Path, tiny_encoder: Path, told: float, share: float):
    setup = trainer.setup(fashion_data, load_preset(SPEC, "smoke", small(tiny_encoder)).model, 7, None)
    model, collator = setup.model.eval(), setup.collator
    rows = collator.store.rows["validation"]
    items = [{"split": "validation", "pair": i, "photo": 0} for i in range(len(rows.stars))]
    with torch.no_grad():
        biases = model(**collator(items)).rating.numpy()
        model.tower.mix[2].bias.fill_(0.2)  # the tower adds 0.2 stars to everything
    collator.store.rows["validation"] = replace(rows, stars=biases + np.float32(0.2 * told))
    assert best_share(model, collator) == pytest.approx(share, abs=1e-3)
