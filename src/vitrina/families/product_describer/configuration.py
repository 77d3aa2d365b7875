"""Shape of the product describer and the `model:` section of its presets."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """A compact T5 that is trained from scratch; its heads are 64 wide, its feed-forward part is gated (T5 1.1)."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(192, ge=64, multiple_of=64)
    layers: int = Field(2, ge=1, description="Of the encoder, and as many of the decoder.")
    feed_forward: int = Field(512, ge=64)
    vocabulary: int = Field(2000, ge=400, description="Byte-pair pieces, bytes and special tokens included.")


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str | None = Field(None, description="Hub id or folder of a pretrained T5; null: `shape` from scratch.")
    shape: Shape = Field(default_factory=Shape, description="Used where `encoder` is null.")
    dropout: float = Field(0.1, ge=0, lt=1)
    max_source: int = Field(128, ge=16, le=1024, description="Tokens of the features; what does not fit is not read.")
    max_target: int = Field(96, ge=8, le=1024, description="Tokens of a description, in training and serving.")
    copy_share: float = Field(
        0.97, gt=0, le=1, description="A slot whose values stand word for word in this share of texts is copied."
    )
    copy_values: int = Field(10, ge=1, description="… if it has at least so many values.")
    rare: int = Field(5, ge=0, description="Other slots copy the values seen less often than this.")
    control_share: float = Field(0.1, ge=0, lt=1, description="Share of the training rows that show each control.")
    faithful: bool = Field(
        True, description="Train on what is said: leave out features a text omits, and texts that state others."
    )
    beams: int = Field(16, ge=1, le=32, description="Width of the search in evaluation.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="Held out to choose the weights.")
    test_fraction: float = Field(0.1, ge=0, lt=0.5, description="Held out for gates; 0: use validation.")
