"""Shape of the product classifier and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedConfig


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="Hub id or folder of a pretrained encoder."
    )
    encoder_layers: int = Field(0, ge=0, description="Keep only the lowest layers of the encoder; 0: all.")
    frozen_layers: int = Field(
        0, ge=0, description="Lowest encoder layers, and its embeddings, that keep their pretrained weights."
    )
    max_length: int = Field(64, ge=8, le=512, description="Tokens kept of a product's or a review's text.")
    dropout: float = Field(0.1, ge=0, lt=1)
    lexical_width: int = Field(
        256,
        ge=0,
        description="Width of the n-gram bag beside the encoder; exact from the number of labels up; 0: none.",
    )
    lexical_buckets: int = Field(65536, ge=1024, description="Hash buckets of the n-gram bag.")
    lexical_sizes: tuple[int, int] = Field((2, 5), description="Shortest and longest character n-gram.")
    lexical_limit: int = Field(512, ge=16, description="n-grams kept of a text.")
    lexical_strength: float = Field(
        2.0, gt=0, description="C of the linear classifiers in the bag: higher trusts the training rows more."
    )
    logit_adjustment: float = Field(
        0.0, ge=0, le=2, description="Training logits + this x log prior (Menon, 2021); 1: balanced softmax; 0: none."
    )
    altered: float = Field(
        0.0, ge=0, le=1, description="Share of training texts with words dropped, swapped or misspelt."
    )
    attributes: list[str] | None = Field(None, description="Attributes to predict; null: those that are common enough.")
    multi_label: list[str] | None = Field(
        None, description="Attributes with several values a product; null: those whose values hold the separator."
    )
    value_separator: str = Field("|", min_length=1, description="Between the values of a multi-label attribute.")
    minimum_coverage: float = Field(
        0.3, ge=0, le=1, description="Share of the products that must state an attribute for it to be predicted."
    )
    maximum_values: int = Field(100, ge=2, description="An attribute with more values than this is not predicted.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5)
    test_fraction: float = Field(0.1, ge=0, lt=0.5, description="Held out for gates; 0: use validation.")
    right_when_sure: float = Field(
        0.98, gt=0.5, le=1, description="Accuracy above the review threshold, on validation data."
    )


class ProductClassifierConfig(PreTrainedConfig):
    """Configuration of `ProductClassifier`; `encoder` is the nested configuration of its text encoder.

    `heads` lists name, kind and labels of each head; see `heads.Head`.
    """

    model_type = "vitrina_product_classifier"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        heads: list[dict[str, Any]] | None = None,
        dropout: float = 0.1,
        lexical_width: int = 256,
        lexical_buckets: int = 65536,
        logit_adjustment: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.heads = heads or []
        self.dropout = dropout
        self.lexical_width = lexical_width
        self.lexical_buckets = lexical_buckets
        self.logit_adjustment = logit_adjustment
        super().__init__(**kwargs)
