"""After the training: adapters merged, the critic fitted, and what serving knows of real photos."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.numpy import save_file

from vitrina.artifacts import write_json
from vitrina.evaluation.images import Gaussian
from vitrina.families.product_imager.batches import Collator, Photo, Photos, tokens
from vitrina.families.product_imager.building import merge_adapters
from vitrina.families.product_imager.configuration import Options
from vitrina.families.product_imager.critic import CRITIC, Critic, CriticConfig
from vitrina.families.product_imager.drawing import REAL
from vitrina.families.product_imager.modeling import ProductImager, diffused_shape
from vitrina.families.product_imager.prompts import words_of
from vitrina.families.product_imager.styles import STYLES
from vitrina.training.arguments import TrainingOptions
from vitrina.training.spec import TrainingSetup

KEPT = 5000
"""Training photos whose features are kept, to tell copies."""

TOGETHER = 128


def write_serving(setup: TrainingSetup, data: Path, options: Options, folder: Path) -> None:
    """Write tokenizer, `labels.json`, the critic's weights and `real.safetensors` into the model folder."""
    model = cast(ProductImager, setup.model)
    if merge_adapters(model):
        model.save_pretrained(folder)  # plain weights in place of those with adapters
    collator = cast(Collator, setup.collator)
    collator.tokenizer.save_pretrained(folder)
    train, validation = cast(Photos, setup.train_dataset), cast(Photos, setup.eval_dataset)
    critic = _fit(train, validation, collator, len(train.labels), options)
    critic.save_pretrained(folder / CRITIC)
    save_file({**_real(critic, train, validation), "alphas": _alphas(model)}, folder / REAL)
    pretrained = bool(options.encoder or options.checkpoint)
    write_json(
        folder / "labels.json",
        {
            "labels": train.labels,
            "styles": list(STYLES) if options.style_share else [STYLES[0]],
            "side": options.side,
            "channels": options.channels,
            "diffused": list(diffused_shape(model)),
            "prediction": model.schedule.config.prediction_type,
            "steps": options.steps,
            "guidance": options.guidance,
            "max_length": options.max_length,
            "pad": collator.tokenizer.pad_token_id,
            "words": None if pretrained else sorted({word for text in train.texts for word in words_of(text)}),
        },
    )


class _CriticRows:
    """Photos and prompts as the critic reads them."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer, self.max_length = tokenizer, max_length

    def __call__(self, rows: Sequence[Photo]) -> dict[str, torch.Tensor]:
        pixels = torch.from_numpy(np.stack([row.pixels for row in rows])).float() / 255
        mirrored = torch.rand(len(rows), 1, 1, 1) < 0.5
        return {
            "pixels": torch.where(mirrored, pixels.flip(3), pixels),
            **tokens(self.tokenizer, [row.text for row in rows], self.max_length),
            "category": torch.tensor([row.category - 1 for row in rows]),
        }


def _fit(train: Photos, validation: Photos, collator: Collator, categories: int, options: Options) -> Critic:
    """The critic after `critic_steps` steps on the training photos, by the one engine."""
    from vitrina.training import engine

    config = CriticConfig(options.channels, options.side, max(1, categories), len(collator.tokenizer))
    critic = Critic(config)
    rows = cast(Any, _CriticRows(collator.tokenizer, options.max_length))
    learned = TrainingSetup(critic, cast(Any, train), cast(Any, validation), rows)
    how = TrainingOptions(
        max_steps=options.critic_steps,
        batch_size=64,
        learning_rate=3e-3,
        schedule="one_cycle",
        eval_every=options.critic_steps,
        checkpoint_every=options.critic_steps,
        progress=False,
    )
    with tempfile.TemporaryDirectory() as checkpoints:
        engine.run(learned, how, Path(checkpoints), name="critic")
    return critic.eval()


def _real(critic: Critic, train: Photos, validation: Photos) -> dict[str, np.ndarray]:
    """What generated pictures are compared with: features of real photos, and how far those of others lie."""
    places = np.linspace(0, len(train) - 1, min(KEPT, len(train))).astype(int)
    known, others = _features(critic, train, places), _features(critic, validation, np.arange(len(validation)))
    shape = Gaussian.of(known)
    return {
        "mean": shape.mean,
        "covariance": shape.covariance,
        "distances": np.sort(shape.distances(others)),
        "features": known.astype(np.float16),
        "held_out": others.astype(np.float16),
    }


def _features(critic: Critic, photos: Photos, places: np.ndarray) -> np.ndarray:
    parts = []
    with torch.inference_mode():
        for start in range(0, len(places), TOGETHER):
            some = torch.from_numpy(photos.pixels(places[start : start + TOGETHER])).float() / 255
            parts.append(critic(some.to(critic.device)).features.float().cpu().numpy())
    return np.concatenate(parts)


def _alphas(model: ProductImager) -> np.ndarray:
    return model.schedule.alphas_cumprod.double().numpy()
