"""Shape of the product imager and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedConfig

TRAIN_STEPS = 1000
"""Steps of the noise schedule."""


class UnetOptions(BaseModel):
    """The denoising network, trained from scratch; every level halves the picture."""

    model_config = ConfigDict(extra="forbid")

    channels: tuple[int, ...] = Field((32, 64, 96), min_length=1, description="Width of each level.")
    attention: tuple[bool, ...] = Field((False, False, True), description="Levels that attend to the words.")
    layers: int = Field(1, ge=1, le=4, description="Residual blocks a level.")
    patch: int = Field(2, ge=1, le=8, description="Pixels a side that become one place of the first level.")
    groups: int = Field(8, ge=1, description="Groups of GroupNorm.")

    @model_validator(mode="after")
    def _levels_agree(self) -> UnetOptions:
        if len(self.channels) != len(self.attention):
            raise ValueError("channels and attention must name the same number of levels")
        if any(width % self.groups for width in self.channels):
            raise ValueError("every width of channels must be a multiple of groups")
        return self


class TextOptions(BaseModel):
    """The transformer that reads the prompt, trained from scratch where no `encoder` is named."""

    model_config = ConfigDict(extra="forbid")

    layers: int = Field(6, ge=1, le=24)
    width: int = Field(64, ge=16, multiple_of=16)
    vocabulary: int = Field(2000, ge=300, description="Byte-pair pieces, bytes and special tokens included.")


class LatentOptions(BaseModel):
    """An autoencoder in front of the diffusion: pictures an eighth of the side, four channels."""

    model_config = ConfigDict(extra="forbid")

    vae: str | None = Field(None, description="Hub id or folder of an AutoencoderKL; null: that of `checkpoint`.")
    lora_rank: int = Field(
        16, ge=0, le=256, description="Rank of the adapters a checkpoint is tuned by; 0: all learns."
    )


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    side: int = Field(32, ge=16, le=1024, multiple_of=8, description="Pixels a side.")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour; latent diffusion is in colour.")
    encoder: str | None = Field(None, description="Hub id or folder of a CLIP; null: `text` from scratch.")
    text: TextOptions = Field(default_factory=TextOptions, description="Used where `encoder` is null.")
    max_length: int = Field(24, ge=4, le=77, description="Tokens of a prompt; what does not fit is not read.")
    unet: UnetOptions = Field(default_factory=UnetOptions)
    latent: LatentOptions | None = Field(None, description="Diffusion in the space of an autoencoder; null: in pixels.")
    checkpoint: str | None = Field(None, description="Hub id or folder of a Stable Diffusion pipeline to fine-tune.")
    prediction: Literal["v_prediction", "epsilon"] = Field("v_prediction", description="What the network tells.")
    unguided: float = Field(0.1, gt=0, lt=1, description="Rows trained without any condition, for guidance.")
    words_alone: float = Field(0.3, ge=0, lt=1, description="Rows trained without the category.")
    style_share: float = Field(0.5, ge=0, le=1, description="Training photos shown in a style other than their own.")
    steps: int = Field(20, ge=1, le=100, description="Sampling steps where a request does not say.")
    guidance: float = Field(2.0, ge=1, le=20, description="Guidance where a request does not say.")
    critic_steps: int = Field(300, ge=1, description="Training steps of the network that scores pictures.")
    held_out_rows: int = Field(200, ge=8, description="Most rows of validation and of test: each is drawn.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="Share of the products that choose the weights.")
    test_fraction: float = Field(0.1, gt=0, lt=0.5, description="Share of the products held out for gates.")

    @model_validator(mode="after")
    def _fits(self) -> Options:
        if self.checkpoint and self.latent is None:
            raise ValueError("a checkpoint is latent diffusion: give `latent: {}`")
        if self.latent is not None and self.channels != 3:
            raise ValueError("latent diffusion is in colour: channels must be 3")
        if self.latent is not None and not (self.checkpoint or self.latent.vae):
            raise ValueError("latent diffusion needs `checkpoint` or `latent.vae`")
        places = self.side // (8 if self.latent else 1)
        halvings = self.unet.patch * 2 ** (len(self.unet.channels) - 1)
        if not self.checkpoint and places % halvings:
            raise ValueError(f"side {self.side} must be a multiple of {halvings * self.side // places}")
        return self


class ProductImagerConfig(PreTrainedConfig):
    """Configuration of `ProductImager`; `unet`, `encoder` and `vae` are nested configurations."""

    model_type = "vitrina_product_imager"

    def __init__(
        self,
        unet: dict[str, Any] | None = None,
        encoder: dict[str, Any] | None = None,
        vae: dict[str, Any] | None = None,
        schedule: dict[str, Any] | None = None,
        side: int = 32,
        channels: int = 3,
        patch: int = 1,
        tokens: int = 24,
        categories: int = 1,
        **kwargs: Any,
    ) -> None:
        """`vae` None: diffusion in pixels; `tokens` of a prompt; `categories` counts "none", which is 0."""
        self.unet = unet or {}
        self.encoder = encoder or {}
        self.vae = vae
        self.schedule = schedule or {}
        self.side = side
        self.channels = channels
        self.patch = patch
        self.tokens = tokens
        self.categories = categories
        super().__init__(**kwargs)
