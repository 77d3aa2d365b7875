from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: int = 16
    layers: int = 2
    dropout: float = 0.1
