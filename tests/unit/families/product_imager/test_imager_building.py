"""Where the parts of a model come from: scratch, a hub's CLIP, a hub's Stable Diffusion with adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from transformers import CLIPTextModel

from tests.imager_models import stable_diffusion
from vitrina.errors import UsageError
from vitrina.families.product_imager.building import build_model, build_tokenizer, merge_adapters
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.modeling import ProductImager, diffused_shape

TEXTS = ["red disc", "blue bar", "green ring"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stable_diffusion(tmp_path_factory.mktemp("hub") / "stable-diffusion", TEXTS)


def small(**values: object) -> Options:
    return Options.model_validate(
        {"side": 16, "max_length": 8, "text": {"width": 32}, "unet": {"channels": [16, 32], "attention": [False, True]}}
        | values
    )


def batch(model: ProductImager, tokenizer: object, count: int = 2) -> dict[str, torch.Tensor]:
    words = tokenizer(TEXTS[:count], padding="max_length", max_length=8, return_tensors="pt")  # type: ignore[operator]
    side = model.config.side
    return {
        "pixels": torch.randint(0, 255, (count, 3, side, side), dtype=torch.uint8),
        "noise": torch.randn(count, *diffused_shape(model)),
        "timesteps": torch.tensor([10, 900][:count]),
        "input_ids": words["input_ids"],
        "attention_mask": words["attention_mask"],
        "style": torch.ones(count, dtype=torch.long),
        "category": torch.ones(count, dtype=torch.long),
    }


def test_from_scratch_the_text_encoder_has_six_layers_and_any_text_is_readable() -> None:
    options = small()
    tokenizer = build_tokenizer(TEXTS, options)
    model = build_model(options, tokenizer, 3)
    assert model.conditions.encoder.model.config.num_hidden_layers == 6
    ids = tokenizer("Zapatos rojos 赤い靴")["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert model(**batch(model, tokenizer)).loss.isfinite()


def test_words_style_and_category_each_change_what_the_network_tells() -> None:
    torch.manual_seed(0)
    options = small()
    tokenizer = build_tokenizer(TEXTS, options)
    model = build_model(options, tokenizer, 3).eval()
    given = batch(model, tokenizer)
    plain = model(**given).prediction
    for name, value in (("style", 2), ("category", 2), ("input_ids", 5)):
        changed = model(**{**given, name: torch.full_like(given[name], value)}).prediction
        assert not torch.allclose(plain, changed, atol=1e-5), name


def test_a_hub_clip_reads_the_prompt_with_its_own_weights_and_tokenizer(pipeline: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    CLIPTextModel.from_pretrained(pipeline / "text_encoder").save_pretrained(folder)
    build_tokenizer(TEXTS, small()).save_pretrained(folder)
    options = small(encoder=str(folder))
    tokenizer = build_tokenizer(TEXTS, options)
    model = build_model(options, tokenizer, 3)
    published = CLIPTextModel.from_pretrained(folder).state_dict()
    loaded = model.conditions.encoder.model.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in published.items())
    assert model(**batch(model, tokenizer)).loss.isfinite()


def test_only_adapters_and_new_tokens_of_a_checkpoint_learn(pipeline: Path) -> None:
    options = small(checkpoint=str(pipeline), latent={"lora_rank": 4})
    tokenizer = build_tokenizer([], options)
    model = build_model(options, tokenizer, 3)
    learns = {name for name, value in model.named_parameters() if value.requires_grad}
    assert any("lora_A" in name for name in learns)
    assert all(
        "lora" in name or name.startswith(("conditions.style", "conditions.cat", "conditions.pool")) for name in learns
    )
    assert diffused_shape(model) == (4, 8, 8)
    model(**batch(model, tokenizer)).loss.backward()
    assert model.conditions.style.weight.grad is not None


def test_merged_adapters_leave_plain_weights_that_say_the_same(pipeline: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = small(checkpoint=str(pipeline), latent={"lora_rank": 4})
    tokenizer = build_tokenizer([], options)
    model = build_model(options, tokenizer, 3)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.3)
    model.eval()
    given = batch(model, tokenizer)
    with torch.inference_mode():
        adapted = model(**given).prediction
        assert merge_adapters(model)
        model.save_pretrained(tmp_path / "plain")
        again = ProductImager.from_pretrained(tmp_path / "plain").eval()
        torch.testing.assert_close(again(**given).prediction, adapted, atol=1e-4, rtol=1e-4)
    assert not any("lora" in name for name in again.state_dict())
    original = build_model(options, tokenizer, 3).eval()
    assert not torch.allclose(original(**given).prediction, adapted, atol=1e-3)
    assert not merge_adapters(again)


def test_latent_diffusion_from_scratch_uses_a_given_autoencoder_and_leaves_it_alone(pipeline: Path) -> None:
    options = small(side=32, latent={"vae": str(pipeline / "vae")})
    tokenizer = build_tokenizer(TEXTS, options)
    model = build_model(options, tokenizer, 3)
    assert diffused_shape(model) == (4, 16, 16)
    model(**batch(model, tokenizer)).loss.backward()
    assert model.vae is not None
    assert all(value.grad is None for value in model.vae.parameters())


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"side": 24, "unet": {"channels": [16, 16, 16], "attention": [False, False, True], "patch": 4}},
            "multiple of 16",
        ),
        ({"checkpoint": "some/model"}, "latent"),
        ({"latent": {}}, "needs `checkpoint` or `latent.vae`"),
        ({"latent": {"vae": "x"}, "channels": 1}, "in colour"),
        ({"unet": {"channels": [16], "attention": [True, True]}}, "same number of levels"),
        ({"unet": {"channels": [20], "attention": [True]}}, "multiple of groups"),
    ],
)
def test_options_that_cannot_be_are_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        small(**values)


def test_a_checkpoint_that_is_nowhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match="neither a folder|cannot be reached"):
        build_tokenizer([], small(checkpoint="nobody/no such model", latent={}))
