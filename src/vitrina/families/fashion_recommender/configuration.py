"""Shape of the fashion recommender and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedConfig

COMPACT = "compact"
"""The vision encoder that is trained from scratch, here."""


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="Hub id or folder of the encoder of reviews and titles."
    )
    encoder_layers: int = Field(0, ge=0, description="Keep only the lowest layers of the encoder; 0: all.")
    max_length: int = Field(64, ge=8, le=512, description="Tokens kept of a review, and of a product's text.")
    vision: str = Field(
        COMPACT, description="`compact`: a ConvNet trained from scratch; else hub id or folder of a vision model."
    )
    channels: tuple[int, ...] = Field((24, 48, 96, 160), min_length=2, description="compact: width of each stage.")
    blocks: int = Field(1, ge=1, le=4, description="compact: residual blocks a stage.")
    side: int = Field(64, ge=32, le=512, description="Pixels a side that photos are read at.")
    photo_width: int = Field(96, ge=8, description="Length of a photo's vector.")
    part_width: int = Field(24, ge=4, description="Length of what the rating tower reads of each part.")
    hidden: int = Field(64, ge=8, description="Width of the rating tower.")
    dropout: float = Field(0.2, ge=0, lt=1)
    missing: float = Field(0.15, ge=0, lt=1, description="Share of training rows that lack a part, for each part.")
    category_weight: float = Field(0.5, ge=0, description="Weight of the photos' category loss beside the rating's.")
    history: int = Field(50, ge=1, le=1000, description="Latest reviews kept of a customer, and of a product.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="Share of the reviews' time before the test's.")
    test_fraction: float = Field(0.1, gt=0, lt=0.5, description="Share of the reviews, the latest, for gates.")


class FashionRecommenderConfig(PreTrainedConfig):
    """Configuration of `FashionRecommender`; `encoder` and `vision` are nested configurations."""

    model_type = "vitrina_fashion_recommender"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        vision: dict[str, Any] | None = None,
        channels: tuple[int, ...] = (24, 48, 96, 160),
        blocks: int = 1,
        side: int = 64,
        photo_width: int = 96,
        part_width: int = 24,
        hidden: int = 64,
        dropout: float = 0.2,
        missing: float = 0.15,
        category_weight: float = 0.5,
        products: int = 1,
        categories: int = 1,
        mean: float = 3.0,
        **kwargs: Any,
    ) -> None:
        """`vision` None: the compact ConvNet; `mean` is that of the training ratings; `products` sizes the memory."""
        self.encoder = encoder or {}
        self.vision = vision
        self.channels = tuple(channels)
        self.blocks = blocks
        self.side = side
        self.photo_width = photo_width
        self.part_width = part_width
        self.hidden = hidden
        self.dropout = dropout
        self.missing = missing
        self.category_weight = category_weight
        self.products = products
        self.categories = categories
        self.mean = mean
        super().__init__(**kwargs)
