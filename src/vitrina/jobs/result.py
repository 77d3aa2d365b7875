"""The small result every job returns: printed as a table for people, as JSON for programs and pipelines."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class JobResult(BaseModel):
    """Base of all job results: immutable, JSON-serialisable."""

    model_config = ConfigDict(frozen=True, extra="forbid")
