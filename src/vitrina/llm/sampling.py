"""How a language model draws its words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Sampling(BaseModel):
    """Parameters of a completion; the defaults are those for product texts (temperature 0: the likeliest word)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=0.9, gt=0, le=1)
    max_tokens: int = Field(default=200, ge=1, le=32_768)
    frequency_penalty: float = Field(default=0.2, ge=-2, le=2)
    seed: int | None = None
