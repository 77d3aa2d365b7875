"""Shape of the few-shot classifier and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedConfig

from vitrina.text.encoders import DEFAULT_ENCODER


class ImageOptions(BaseModel):
    """What an image encoder sees, and what is done to a small set of images to learn more from it."""

    model_config = ConfigDict(extra="forbid")

    side: int = Field(56, ge=16, le=224, multiple_of=4, description="Pixels a side that the encoder reads.")
    drawings: bool = Field(True, description="Dark strokes on light paper: grey, inverted, cut to the ink.")
    widths: tuple[int, ...] = Field((64, 128, 256), min_length=1, description="Channels of the convolutions.")
    embedding: int = Field(256, ge=8, description="Width of the embedding.")
    variation: float = Field(1.0, ge=0, description="Random deformation of every training image; 0: none.")
    views: int = Field(1, ge=1, le=5, description="Slight distortions averaged into an embedding when serving.")
    orientations: bool = Field(True, description="Training classes rotated and mirrored count as classes of their own.")
    invented: int = Field(0, ge=0, description="Drawn characters made up as further training classes.")
    invented_share: float = Field(0.5, ge=0, le=1, description="Their share of the classes of a training episode.")


class EpisodeOptions(BaseModel):
    """One training episode: so many classes, each with a few examples to learn from and a few to answer."""

    model_config = ConfigDict(extra="forbid")

    ways: int = Field(32, ge=2, description="Classes; fewer where there are fewer.")
    examples: int = Field(4, ge=2, description="Rows a class: one or more to learn from, the rest to answer.")
    shots: int = Field(5, ge=1, le=5, description="Most examples a class to learn from; how many is drawn anew.")
    per_epoch: int = Field(100, ge=1, description="Training episodes that count as one epoch.")
    validation: int = Field(60, ge=2, description="Episodes that choose the best weights, one- and five-shot in turn.")


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    modality: Literal["text", "image"] = "text"
    encoder: str = Field(DEFAULT_ENCODER, description="text: hub id or folder of a pretrained encoder.")
    encoder_layers: int = Field(0, ge=0, description="text: keep only the lowest layers of the encoder; 0: all.")
    max_length: int = Field(64, ge=8, le=512, description="text: tokens kept.")
    image: ImageOptions = Field(default_factory=ImageOptions, description="image: the encoder, trained from scratch.")
    order: Literal["first", "second", "prototype"] = Field(
        "second", description="Gradients through the inner loop, or not, or no inner loop at all."
    )
    inner_steps: int = Field(3, ge=1, le=20, description="Steps of the inner loop.")
    inner_learning_rate: float = Field(0.01, gt=0, description="Where the learned inner rates start.")
    prototype_weight: float = Field(1.0, ge=0, description="Weight of the prototypes' own loss beside the adapted one.")
    pretrained_share: float = Field(
        0.0, ge=0, lt=1, description="text: share of the pretrained weights in the final encoder (weight averaging)."
    )
    episode: EpisodeOptions = Field(default_factory=EpisodeOptions)
    hold_out: Literal["class", "parent"] = Field(
        "class", description="Validation and test get whole classes, or whole parents of the category path."
    )
    validation_fraction: float = Field(0.15, gt=0, lt=0.5, description="Share of the classes that validate.")
    test_fraction: float = Field(0.15, gt=0, lt=0.5, description="Share of the classes held out for gates.")
    right_when_sure: float = Field(
        0.95, gt=0.5, le=1, description="Accuracy above the confidence threshold, on validation classes."
    )

    @model_validator(mode="after")
    def _modality_fits(self) -> Options:
        if self.modality == "image" and (self.pretrained_share or self.encoder_layers):
            raise ValueError("pretrained_share and encoder_layers belong to modality text")
        return self


class FewShotClassifierConfig(PreTrainedConfig):
    """Configuration of `FewShotClassifier`: either `encoder` (a text encoder's configuration) or `image`."""

    model_type = "vitrina_few_shot_classifier"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        image: dict[str, Any] | None = None,
        order: str = "second",
        inner_steps: int = 3,
        inner_learning_rate: float = 0.01,
        prototype_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder
        self.image = image
        self.order = order
        self.inner_steps = inner_steps
        self.inner_learning_rate = inner_learning_rate
        self.prototype_weight = prototype_weight
        super().__init__(**kwargs)
