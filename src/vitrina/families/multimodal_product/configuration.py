"""Shape of the multimodal model and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedConfig

from vitrina.text.encoders import DEFAULT_ENCODER


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str = Field(DEFAULT_ENCODER, description="Hub id or folder: its tokenizer, and its words to start from.")
    width: int = Field(192, ge=16, description="Width of a token, and of the embedding.")
    layers: int = Field(3, ge=1)
    heads: int = Field(6, ge=1, description="Attention heads; the width is a multiple of twice their number.")
    dropout: float = Field(0.1, ge=0, lt=1)
    max_length: int = Field(48, ge=8, le=512, description="Text tokens kept of a product or a review.")
    side: int = Field(96, ge=16, le=512, description="Pixels a side that a photo is read at.")
    channels: tuple[int, ...] = Field(
        (32, 64, 96, 128, 192),
        min_length=1,
        description="Of the convolutions before the patches; each halves it.",
    )
    metadata: int = Field(8, ge=1, le=64, description="Metadata tokens: brand, category levels, attributes.")
    metadata_buckets: int = Field(4096, ge=64, description="Hash buckets of metadata values.")
    lexical_width: int = Field(256, ge=0, description="Width of the n-gram bag beside the transformer; 0: none.")
    lexical_buckets: int = Field(65536, ge=1024, description="Hash buckets of the n-gram bag.")
    lexical_sizes: tuple[int, int] = Field((2, 5), description="Shortest and longest character n-gram.")
    lexical_limit: int = Field(512, ge=16, description="n-grams kept of a text.")
    lexical_strength: float = Field(2.0, gt=0, description="C of the linear classifiers in the bag.")
    given: float = Field(0.3, ge=0, lt=1, description="Training: share of facts that are given, not asked.")
    word_dropout: float = Field(0.3, ge=0, lt=1, description="Training: words hidden where the photo is seen too.")
    photo_repeats: int = Field(1, ge=1, description="Training: how often an epoch sees a row that has a photo.")
    modalities: tuple[str, ...] = Field(("text", "photo"), description="Training: what is shown; both, or one alone.")
    attributes: list[str] | None = Field(None, description="Attributes to predict; null: those that are common enough.")
    multi_label: list[str] | None = Field(None, description="Attributes with several values; null: as values tell.")
    value_separator: str = Field("|", min_length=1, description="Between the values of a multi-label attribute.")
    minimum_coverage: float = Field(0.3, ge=0, le=1, description="Share of products that must state an attribute.")
    maximum_values: int = Field(100, ge=2, description="An attribute with more values than this is not predicted.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5)
    test_fraction: float = Field(0.1, gt=0, lt=0.5, description="Held out for gates.")
    right_when_sure: float = Field(0.98, gt=0.5, le=1, description="Accuracy above the review threshold.")

    @model_validator(mode="after")
    def _shapes_fit(self) -> Options:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is no multiple of twice the heads ({self.heads})")
        if self.side % 2 ** len(self.channels):
            raise ValueError(f"side {self.side} cannot be halved {len(self.channels)} times")
        if not self.modalities or set(self.modalities) - {"text", "photo"}:
            raise ValueError("modalities are text, photo or both")
        return self


class MultimodalProductConfig(PreTrainedConfig):
    """Configuration of `MultimodalProduct`; `product_heads` lists name, kind and labels of each head."""

    model_type = "vitrina_multimodal_product"

    def __init__(
        self,
        words: int = 30522,
        word_width: int = 384,
        width: int = 192,
        layers: int = 3,
        heads: int = 6,
        dropout: float = 0.1,
        side: int = 96,
        channels: tuple[int, ...] = (32, 64, 96, 128, 192),
        metadata_buckets: int = 4096,
        lexical_width: int = 256,
        lexical_buckets: int = 65536,
        word_dropout: float = 0.0,
        modalities: tuple[str, ...] = ("text", "photo"),
        product_heads: list[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.words = words
        self.word_width = word_width
        self.width = width
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.side = side
        self.channels = list(channels)
        self.metadata_buckets = metadata_buckets
        self.lexical_width = lexical_width
        self.lexical_buckets = lexical_buckets
        self.word_dropout = word_dropout
        self.modalities = list(modalities)
        self.product_heads = product_heads or []
        super().__init__(**kwargs)
