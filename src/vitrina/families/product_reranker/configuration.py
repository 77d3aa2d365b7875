"""Shape of the re-ranker and the `model:` section of its presets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedConfig


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="Hub id or folder of a pretrained encoder."
    )
    start: Path | None = Field(None, description="Folder of a re-ranker of this shape to go on from.")
    encoder_layers: int = Field(0, ge=0, description="Keep only the lowest layers of the encoder; 0: all.")
    frozen_layers: int = Field(0, ge=0, description="Lowest layers (and word embeddings, from 1) that do not learn.")
    max_length: int = Field(96, ge=16, le=512, description="Tokens kept of a pair; the longer side is cut first.")
    description_words: int = Field(16, ge=0, description="Rarest words kept of each description; 0: none.")
    dropout: float = Field(0.1, ge=0, lt=1)
    bins: int = Field(10, ge=1, description="Pieces that each similarity is cut into, at quantiles.")
    similarity_width: int = Field(64, ge=1, description="Hidden size of what the similarities say.")
    text_width: int = Field(64, ge=1, description="Hidden size of what the texts say.")
    trees: int = Field(200, ge=1, description="Boosted trees over the similarities that judge beside the network.")
    word_dropout: float = Field(0.05, ge=0, lt=1, description="Share of the words left out of a training pair.")
    augmented: float = Field(0.5, ge=0, le=1, description="Share of the training pairs that lose words.")
    swap_sides: float = Field(0.0, ge=0, le=1, description="Share of the training pairs shown right side first.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="Held out where the table states no split.")
    test_fraction: float = Field(
        0.1, ge=0, lt=0.5, description="Held out for gates where the table states no split; 0: use validation."
    )


class ProductRerankerConfig(PreTrainedConfig):
    """Configuration of `ProductReranker`; `encoder` is the nested configuration of its text encoder."""

    model_type = "vitrina_product_reranker"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        similarities: int = 0,
        bins: int = 10,
        similarity_width: int = 64,
        text_width: int = 64,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.similarities = similarities
        self.bins = bins
        self.similarity_width = similarity_width
        self.text_width = text_width
        self.dropout = dropout
        super().__init__(**kwargs)
