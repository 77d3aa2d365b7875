"""Shape of the intent classifier and the `model:` section of its presets."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedConfig


class Student(BaseModel):
    """Shape of a small encoder that is trained from a teacher instead of pretrained weights."""

    model_config = ConfigDict(extra="forbid")

    layers: int = Field(2, ge=1)
    width: int = Field(128, ge=16, description="Hidden size; a multiple of 64 (the size of an attention head).")
    copies: int = Field(4, ge=0, description="Altered copies of every text that the teacher labels for the student.")
    temperature: float = Field(2.0, gt=0, description="Softening of the teacher's distribution.")
    weight: float = Field(0.9, ge=0, le=1, description="Share of the teacher in the loss; the rest is the true label.")
    relations: float = Field(10.0, ge=0, description="Weight of agreeing which texts are alike; 0: only labels count.")


class Options(BaseModel):
    """The `model:` section of a preset."""

    model_config = ConfigDict(extra="forbid")

    encoder: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2", description="Hub id or folder of a pretrained encoder."
    )
    encoder_layers: int = Field(0, ge=0, description="Keep only the lowest layers of the encoder; 0: all.")
    student: Student | None = Field(None, description="Distil a student of this shape from a teacher.")
    max_length: int = Field(64, ge=8, le=512, description="Tokens kept of a text.")
    dropout: float = Field(0.1, ge=0, lt=1)
    lexical_width: int = Field(0, ge=0, description="Width of the word-pair branch beside the encoder; 0: none.")
    lexical_buckets: int = Field(131072, ge=1024, description="Hash buckets of the word-pair branch.")
    outlier_weight: float = Field(1.0, ge=0, description="Weight of the loss on out-of-scope training rows.")
    validation_fraction: float = Field(0.1, gt=0, lt=0.5, description="Held out where the table states no split.")
    test_fraction: float = Field(
        0.1,
        ge=0,
        lt=0.5,
        description="Held out for gates where the table states no test split; 0: use validation.",
    )
    oos_false_alarms: float = Field(
        0.02, gt=0, lt=0.5, description="Share of in-scope messages that may be flagged out of scope."
    )
    right_when_sure: float = Field(
        0.98, gt=0.5, le=1, description="Accuracy above the clarification threshold, on validation data."
    )


class IntentClassifierConfig(PreTrainedConfig):
    """Configuration of `IntentClassifier`; `encoder` is the nested configuration of its text encoder."""

    model_type = "vitrina_intent_classifier"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        dropout: float = 0.1,
        lexical_width: int = 0,
        lexical_buckets: int = 131072,
        outlier_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.encoder = encoder or {}
        self.dropout = dropout
        self.lexical_width = lexical_width
        self.lexical_buckets = lexical_buckets
        self.outlier_weight = outlier_weight
        super().__init__(**kwargs)
