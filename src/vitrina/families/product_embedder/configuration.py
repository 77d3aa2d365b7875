"""Shape of the product embedder and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedConfig

DIMENSION = 768


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="Hub id or folder of a pretrained encoder."
    )
    encoder_layers: int = Field(0, ge=0, description="Keep only the lowest layers of the encoder; 0: all.")
    frozen_layers: int = Field(0, ge=0, description="Lowest layers (and word embeddings, from 1) that do not learn.")
    max_length: int = Field(96, ge=8, le=512, description="Tokens kept of a product's text.")
    dimensions: tuple[int, ...] = Field(
        (DIMENSION, 256, 128), description="Lengths at which a vector may be cut; the first is the whole vector."
    )
    lexical_width: int = Field(256, ge=8, description="Width of the bag of hashed n-grams.")
    lexical_buckets: int = Field(65536, ge=256, description="Hash buckets of the bag.")
    lexical_limit: int = Field(256, ge=16, description="n-grams kept of a product's text.")
    side_width: int = Field(32, ge=4, description="Width of the price and of the category vector, each.")
    category_buckets: int = Field(8192, ge=64, description="Hash buckets of category path prefixes.")
    dropout: float = Field(0.1, ge=0, lt=1)
    missing: float = Field(0.7, ge=0, lt=1, description="Share of training views that lack category, price or texts.")
    attribute_queries: float = Field(0.5, ge=0, le=1, description="Share of training queries that name attributes.")
    neighbours: int = Field(8, ge=1, description="Similar products a hard negative is drawn from.")
    validation_fraction: float = Field(0.05, gt=0, lt=0.5, description="Held out to choose the weights.")
    test_fraction: float = Field(0.1, ge=0, lt=0.5, description="Held out for gates; 0: use validation.")

    @model_validator(mode="after")
    def _dimensions_shrink(self) -> Options:
        if sorted(set(self.dimensions), reverse=True) != list(self.dimensions) or min(self.dimensions) < 2:
            raise ValueError("dimensions must be two or more each, and fall from the first to the last")
        return self


class ProductEmbedderConfig(PreTrainedConfig):
    """Configuration of `ProductEmbedder`; `encoder` is the nested configuration of its text encoder."""

    model_type = "vitrina_product_embedder"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        dimensions: tuple[int, ...] = (DIMENSION, 256, 128),
        lexical_width: int = 256,
        lexical_buckets: int = 65536,
        side_width: int = 32,
        category_buckets: int = 8192,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.dimensions = tuple(dimensions)
        self.lexical_width = lexical_width
        self.lexical_buckets = lexical_buckets
        self.side_width = side_width
        self.category_buckets = category_buckets
        self.dropout = dropout
        super().__init__(**kwargs)
