"""The product imager: a text encoder and a conditional U-Net that tells noise from picture (Ho et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from vitrina.families.layers.text_encoder import TextEncoder, additive_mask
from vitrina.families.product_imager.configuration import TRAIN_STEPS, ProductImagerConfig
from vitrina.families.product_imager.critic import CRITIC, Critic, critic_graphs
from vitrina.families.product_imager.styles import STYLES
from vitrina.training.spec import ExportInputs


@dataclass
class ImagerOutput(ModelOutput):
    """Shapes: prediction as the noisy picture (batch, channels, side, side)."""

    loss: Tensor | None = None
    prediction: Tensor | None = None


class Conditions(nn.Module):
    """Prompt, style and category → what the U-Net attends to, and one vector beside the time.

    Input ids (batch, tokens) int64 padded to one length; output states (batch, tokens + 2, width): those of the words,
    then a style and a category token; and pooled (batch, width), their mean. Number 0 of a category is "none".
    """

    def __init__(self, encoder: dict[str, Any], categories: int) -> None:
        super().__init__()
        self.encoder = TextEncoder(encoder)
        width = self.encoder.width
        self.style = nn.Embedding(len(STYLES) + 1, width)  # 0: no condition at all
        self.category = nn.Embedding(categories, width)
        self.pool = nn.Linear(3 * width, width)

    @property
    def width(self) -> int:
        return self.encoder.width

    def forward(self, input_ids: Tensor, attention_mask: Tensor, style: Tensor, category: Tensor) -> tuple[Tensor, ...]:
        model = self.encoder.model
        mask = additive_mask(attention_mask) if model.config.model_type == "bert" else attention_mask
        words = model(input_ids=input_ids, attention_mask=mask).last_hidden_state
        kept = attention_mask.unsqueeze(-1).to(words.dtype)
        mean = (words * kept).sum(1) / kept.sum(1).clamp(min=1)
        told = self.style(style), self.category(category)
        states = torch.cat([words, *(each.unsqueeze(1).to(words.dtype) for each in told)], dim=1)
        return states, self.pool(torch.cat([mean, *(each.to(mean.dtype) for each in told)], dim=1))


class ProductImager(PreTrainedModel):
    """Diffusion in pixels, or in the latent space of an autoencoder (Rombach et al., 2022).

    With `patch` p the U-Net sees every p × p pixels as p² channels of one place, which costs p² times less.
    """

    config_class = ProductImagerConfig
    base_model_prefix = "unet"
    main_input_name = "pixels"
    supports_gradient_checkpointing = True

    def __init__(self, config: ProductImagerConfig) -> None:
        super().__init__(config)
        self.conditions = Conditions(config.encoder, config.categories)
        self.unet = UNet2DConditionModel.from_config(config.unet)
        self.vae = AutoencoderKL.from_config(config.vae).requires_grad_(False) if config.vae else None
        self.post_init()

    @cached_property
    def schedule(self) -> DDPMScheduler:
        """Made when first used: `from_pretrained` builds the model on a device without memory."""
        return DDPMScheduler.from_config(self.config.schedule)

    def _init_weights(self, module: nn.Module) -> None:
        """The parts initialise themselves."""

    def _set_gradient_checkpointing(self, enable: bool = True, **_: Any) -> None:
        (self.unet.enable_gradient_checkpointing if enable else self.unet.disable_gradient_checkpointing)()

    def forward(
        self,
        pixels: Tensor,
        noise: Tensor,
        timesteps: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        style: Tensor,
        category: Tensor,
        return_loss: bool = True,  # a name that tells Trainer that batches without labels have a loss too
        **_: Any,
    ) -> ImagerOutput:
        """`pixels` uint8 (batch, channels, side, side); `noise` normal, as the diffused picture; loss: mean square."""
        clean = self.encode(pixels.float() / 127.5 - 1)
        noisy = self.schedule.add_noise(clean, noise, timesteps)
        states, pooled = self.conditions(input_ids, attention_mask, style, category)
        prediction = self.denoise(noisy, timesteps, states, pooled)
        if not return_loss:
            return ImagerOutput(prediction=prediction)
        wanted = noise
        if self.schedule.config.prediction_type == "v_prediction":
            wanted = self.schedule.get_velocity(clean, noise, timesteps)
        return ImagerOutput(loss=F.mse_loss(prediction.float(), wanted.float()), prediction=prediction)

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures −1 to 1 → what is diffused."""
        if self.vae is None:
            return pictures
        with torch.no_grad():
            latents = self.vae.encode(pictures.to(self.vae.dtype)).latent_dist.mode()
        return latents.float() * self.vae.config.scaling_factor

    def denoise(self, noisy: Tensor, timesteps: Tensor, states: Tensor, pooled: Tensor) -> Tensor:
        """The network's word on a noisy picture: its noise or its velocity."""
        patch = self.config.patch
        sample = F.pixel_unshuffle(noisy, patch) if patch > 1 else noisy
        labels = pooled if self.unet.class_embedding is not None else None
        told = self.unet(sample, timesteps, states, class_labels=labels).sample
        return F.pixel_shuffle(told, patch) if patch > 1 else told


class _Denoiser(nn.Module):
    """The exported graph of one step."""

    def __init__(self, model: ProductImager) -> None:
        super().__init__()
        self.model = model

    def forward(self, sample: Tensor, timesteps: Tensor, states: Tensor, pooled: Tensor) -> tuple[Tensor]:
        return (self.model.denoise(sample, timesteps, states, pooled),)


class _Decoder(nn.Module):
    """The exported autoencoder's second half: latents → pictures −1 to 1."""

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: Tensor) -> tuple[Tensor]:
        return (self.vae.decode(latents / self.vae.config.scaling_factor).sample,)


def export_inputs(folder: Path) -> ExportInputs:
    """The trained U-Net; the conditions' encoder and, for latents, the decoder as further graphs."""
    model = ProductImager.from_pretrained(folder).eval()
    config, generator = model.config, torch.Generator().manual_seed(0)
    sample = torch.randn((2, *diffused_shape(model)), generator=generator)
    ids = torch.randint(3, 200, (2, config.tokens), generator=generator)
    words = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    told = {"style": torch.tensor([1, 0]), "category": torch.tensor([0, 0])}
    with torch.inference_mode():
        states, pooled = (each.clone() for each in model.conditions(**words, **told))
    further = {"conditions": _graph(model.conditions, {**words, **told}, ("states", "pooled"))}
    if model.vae is not None:
        further["decoder"] = _graph(_Decoder(model.vae), {"latents": sample}, ("pictures",))
    further |= critic_graphs(Critic.from_pretrained(folder / CRITIC), config.tokens)
    step = {"sample": sample, "timesteps": torch.tensor([TRAIN_STEPS // 2, 3]), "states": states, "pooled": pooled}
    graph = _graph(_Denoiser(model), step, ("prediction",))
    return ExportInputs(graph.model, graph.inputs, graph.dynamic, graph.outputs, further)


def _graph(model: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...]) -> ExportInputs:
    return ExportInputs(model.eval(), inputs, {name: {0: "batch"} for name in inputs}, outputs)


def diffused_shape(model: ProductImager) -> tuple[int, int, int]:
    """Channels, height and width of what is diffused."""
    config = model.config
    if model.vae is None:
        return config.channels, config.side, config.side
    reduced = config.side // 2 ** (len(model.vae.config.block_out_channels) - 1)
    return model.vae.config.latent_channels, reduced, reduced
