"""The network: what it is told, what it learns, and that it is the same after saving and with checkpointing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from tests.imager_models import KINDS, photo
from vitrina.families.product_imager.batches import Collator, Photos
from vitrina.families.product_imager.building import build_model, build_tokenizer
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.critic import SIDE, Critic, CriticConfig
from vitrina.families.product_imager.modeling import ProductImager, diffused_shape

OPTIONS = Options.model_validate(
    {
        "side": 16,
        "max_length": 8,
        "text": {"width": 32, "layers": 1},
        "unet": {"channels": [16, 32], "attention": [False, True]},
        "style_share": 0.0,
    }
)


def frame() -> pd.DataFrame:
    rows = [
        {"text": f"red {kind[7:].lower()}", "category": kind, "jpeg": photo(kind, "red", hand)}
        for kind in KINDS
        for hand in range(8)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def parts() -> tuple[ProductImager, Photos, Collator]:
    torch.manual_seed(0)
    photos = Photos(frame(), KINDS, OPTIONS)
    tokenizer = build_tokenizer(photos.texts, OPTIONS)
    model = build_model(OPTIONS, tokenizer, len(KINDS))
    return model, photos, Collator(tokenizer, diffused_shape(model), OPTIONS)


def whole(photos: Photos, collate: Collator) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return collate([photos[place] for place in range(len(photos))])


def test_the_loss_falls_below_that_of_knowing_nothing(parts: tuple[ProductImager, Photos, Collator]) -> None:
    model, photos, collate = parts
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = model(**collate([photos[place] for place in range(len(photos))])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert np.mean(losses[:3]) > 0.7
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])


def test_a_saved_model_has_the_same_loss(parts: tuple[ProductImager, Photos, Collator], tmp_path: Path) -> None:
    model, photos, collate = parts
    batch = whole(photos, collate)
    model.save_pretrained(tmp_path)
    with torch.inference_mode():
        expected = model.eval()(**batch).loss
        torch.testing.assert_close(ProductImager.from_pretrained(tmp_path).eval()(**batch).loss, expected)
    assert model(**batch, return_loss=False).loss is None


def test_recomputed_activations_change_no_gradient(parts: tuple[ProductImager, Photos, Collator]) -> None:
    model, photos, collate = parts
    batch = whole(photos, collate)
    model(**batch).loss.backward()
    plain = model.unet.conv_in.weight.grad.clone()
    model.zero_grad()
    model.activation_checkpointing_enable()
    assert model.unet.is_gradient_checkpointing
    model.train()(**batch).loss.backward()
    torch.testing.assert_close(model.unet.conv_in.weight.grad, plain, atol=1e-5, rtol=1e-4)


def test_large_photos_are_read_when_asked_for_and_alike() -> None:
    rows = frame()
    large = Photos(rows, KINDS, OPTIONS.model_copy(update={"side": 136}))
    assert large._pixels is None
    assert large[0].pixels.shape == (3, 136, 136)
    np.testing.assert_array_equal(large.pixels([0, 3])[1], large[3].pixels)


def test_the_critic_tells_kinds_and_prompts_after_some_steps() -> None:
    torch.manual_seed(0)
    photos = Photos(frame(), KINDS, OPTIONS)
    tokenizer = build_tokenizer(photos.texts, OPTIONS)
    critic = Critic(CriticConfig(3, 16, len(KINDS), len(tokenizer)))
    pixels = torch.from_numpy(photos.pixels(np.arange(len(photos)))).float() / 255
    category = torch.tensor(photos.categories) - 1
    words = tokenizer(photos.texts, padding="max_length", max_length=8, return_tensors="pt")
    given = {name: words[name] for name in ("input_ids", "attention_mask")}
    optimizer = torch.optim.AdamW(critic.parameters(), 1e-2)
    for _ in range(40):
        critic(pixels, **given, category=category).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    told = critic(pixels)
    assert (told.logits.argmax(1) == category).float().mean() > 0.9
    cosine = told.vector @ critic.read(**given).T
    own = cosine.diagonal()
    other = cosine[category[:, None] != category[None]].mean()
    assert own.mean() > other + 0.3


def test_the_critic_reduces_large_pictures_and_rows_without_category_count_for_words_alone() -> None:
    torch.manual_seed(0)
    critic = Critic(CriticConfig(3, 2 * SIDE, 2, 10)).eval()
    large = torch.rand(2, 3, 2 * SIDE, 2 * SIDE)
    small = Critic(CriticConfig(3, SIDE, 2, 10)).eval()
    small.load_state_dict(critic.state_dict())
    torch.testing.assert_close(critic(large).features, small(F.avg_pool2d(large, 2)).features)
    ids = torch.tensor([[1, 2], [1, 2]])
    loss = small(torch.rand(2, 3, SIDE, SIDE), ids, torch.ones_like(ids), torch.tensor([-1, -1])).loss
    assert loss.item() == pytest.approx(np.log(2), abs=1e-4)  # two equal prompts: both photos are right for both
