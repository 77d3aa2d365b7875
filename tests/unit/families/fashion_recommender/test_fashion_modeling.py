from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vitrina.families.fashion_recommender.configuration import FashionRecommenderConfig
from vitrina.families.fashion_recommender.features import PRODUCT_NUMBERS, USER_NUMBERS
from vitrina.families.fashion_recommender.modeling import UNKNOWN, FashionRecommender
from vitrina.families.layers.text_encoder import encoder_config
from vitrina.families.layers.vision import varied, vision_config

TEXT = 32


def model_of(encoder: Path, **changes: object) -> FashionRecommender:
    torch.manual_seed(0)
    config = FashionRecommenderConfig(
        encoder=encoder_config(str(encoder)),
        channels=(8, 16),
        side=32,
        photo_width=12,
        part_width=4,
        hidden=8,
        products=6,
        categories=3,
        mean=3.5,
        **changes,
    )
    model = FashionRecommender(config)
    model.start()
    return model


def batch_of(pairs: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "user": torch.randn(pairs, USER_NUMBERS + 2 * TEXT, generator=generator),
        "product": torch.randn(pairs, PRODUCT_NUMBERS + 2 * TEXT, generator=generator),
        "liked": torch.randint(0, 6, (pairs, 3), generator=generator),
        "liked_weights": torch.randn(pairs, 3, generator=generator),
        "place": torch.arange(pairs),
        "pixels": torch.randint(0, 255, (5, 3, 32, 32), generator=generator, dtype=torch.uint8),
        "category": torch.tensor([0, 1, 2, UNKNOWN, 1]),
        "labels": torch.tensor([5.0, 1.0, 3.0, 4.0]),
    }


def test_before_training_the_tower_says_mean_and_biases(tiny_encoder: Path):
    model, batch = model_of(tiny_encoder).eval(), batch_of()
    rating = model(**batch).rating
    assert rating.tolist() == pytest.approx((3.5 + batch["user"][:, 0] + batch["product"][:, 0]).tolist(), abs=1e-5)


def test_the_loss_is_the_stars_and_beside_it_the_categories_that_are_known(tiny_encoder: Path):
    model, batch = model_of(tiny_encoder).eval(), batch_of()
    both = model(**batch).loss
    unknown = {**batch, "category": torch.full((5,), UNKNOWN)}
    stars = torch.nn.functional.mse_loss(model(**batch).rating, batch["labels"])
    assert model(**unknown).loss.item() == pytest.approx(stars.item())
    assert both.item() > stars.item()


def test_photos_learn_from_categories_and_not_from_stars(tiny_encoder: Path):
    model = model_of(tiny_encoder)
    model(**{**batch_of(), "category": torch.full((5,), UNKNOWN)}).loss.backward()
    assert all(weight.grad is None for weight in model.vision.parameters())
    model.zero_grad()
    model(**batch_of()).loss.backward()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.vision.parameters())
    assert all(weight.grad is None for weight in model.encoder.parameters())


def test_a_photo_counts_once_it_is_remembered(tiny_encoder: Path):
    model, batch = model_of(tiny_encoder).eval(), batch_of()
    torch.nn.init.normal_(model.tower.mix[2].weight)
    before = model(**batch).rating
    model.memory.copy_(torch.randn_like(model.memory))
    assert torch.equal(model(**batch).rating, before)
    model.remembered[0] = 1
    changed = (model(**batch).rating - before).abs()
    assert changed[0] > 1e-4


def test_a_vision_model_of_the_hub_takes_the_place_of_the_compact_one(tiny_encoder: Path, tmp_path: Path):
    from transformers import ViTConfig, ViTModel

    hub = ViTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=16
    )
    ViTModel(hub).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.4, 0.4, 0.4], "image_std": [0.2, 0.2, 0.2]}')
    model = model_of(tiny_encoder, vision=vision_config(str(tmp_path)))
    model.vision.load(str(tmp_path))
    vectors = model.eval().photos(torch.rand(2, 3, 32, 32))
    assert vectors.shape == (2, 12)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert model.vision.mean.flatten().tolist() == pytest.approx([0.4] * 3)
    model.save_pretrained(tmp_path / "saved")
    again = FashionRecommender.from_pretrained(tmp_path / "saved").eval()
    torch.manual_seed(5)
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.allclose(again.photos(pixels), model.photos(pixels), atol=1e-5)


def test_a_varied_photo_is_another_picture_of_the_same_size():
    torch.manual_seed(0)
    pixels = torch.rand(4, 3, 32, 32)
    changed = varied(pixels)
    assert changed.shape == pixels.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not torch.allclose(changed, pixels, atol=0.05)
