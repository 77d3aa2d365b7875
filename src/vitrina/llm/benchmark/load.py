"""What load a benchmark puts on a server, and what it should bear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vitrina.errors import UsageError
from vitrina.llm.prompts.tasks import first_mistake
from vitrina.llm.sampling import Sampling

Arrivals = Literal["concurrent", "constant", "poisson"]
LEVELS: dict[str, tuple[float, ...]] = {
    "concurrent": (1, 2, 4, 8, 12, 16),
    "constant": (0.5, 1, 2, 4),
    "poisson": (0.5, 1, 2, 4),
}


class Objective(BaseModel):
    """What a shop promises (SLO). A request meets it when it answers soon enough and writes fast enough."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ttft_ms: float = Field(default=500, gt=0, description="The first token comes before this.")
    tokens_per_second: float = Field(default=50, gt=0, description="After it, each stream is faster than this.")
    concurrency: float = Field(default=10, ge=0, description="With more than this many requests at once.")
    share: float = Field(default=0.95, gt=0, le=1, description="Of the requests, for a level to hold.")


class Load(BaseModel):
    """The requests of a benchmark: how they arrive at each level, and what they ask for.

    `concurrent` keeps a number of streams busy; `constant` and `poisson` send so many requests a second, whether the
    server keeps up or not. Each level has its own prompts, so that no level finds those of another in a prefix cache.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arrivals: Arrivals = "concurrent"
    levels: tuple[float, ...] = Field(default=(), max_length=30)
    requests: int = Field(default=100, ge=1, le=10_000)
    warmup: int = Field(default=5, ge=0, le=10_000)
    seconds: float = Field(default=120, gt=0, le=86_400)
    prompt_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    whole_answers: bool = False
    sampling: Sampling = Sampling()
    seed: int = Field(default=7, ge=0)

    @field_validator("levels")
    @classmethod
    def _positive(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < level <= 10_000 for level in levels):
            raise ValueError("each level is above 0 and at most 10,000")
        return tuple(dict.fromkeys(levels))

    @model_validator(mode="after")
    def _whole_streams(self) -> Load:
        if self.arrivals == "concurrent" and any(level != int(level) for level in self.levels):
            raise ValueError("streams at once are whole numbers")
        return self

    @property
    def steps(self) -> tuple[float, ...]:
        """The levels, or those that suit the arrivals."""
        return self.levels or LEVELS[self.arrivals]

    def warmup_of(self, level: float) -> int:
        """Requests that are made and not counted; with streams, at least the burst that they start with."""
        return max(self.warmup, int(level)) if self.arrivals == "concurrent" and self.warmup else self.warmup

    def enough_of(self, level: float) -> int:
        """Answers after which a level ends: the warm-up, what is counted, and about what overlaps both."""
        return self.warmup_of(level) + self.requests + (int(level) if self.arrivals == "concurrent" else 1)

    def rows_of(self, level: float) -> int:
        """Prompts that a level can use up: guidellm goes on until enough are answered, and requests that come by the
        clock do not wait for a server that is behind."""
        return (2 if self.arrivals == "concurrent" else 10) * self.enough_of(level) + 16


Checked = TypeVar("Checked", bound=BaseModel)


def checked(model: type[Checked], values: Mapping[str, Any]) -> Checked:
    """A `Load` or an `Objective` of what a person wrote.

    Raises:
        UsageError: an unknown name, or a value out of range; it says which.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(f"The benchmark's {model.__name__.lower()}: {first_mistake(error)}.") from error


def title(arrivals: str, level: float) -> str:
    """How people name a level: `4 at once`, `0.5 a second`."""
    return f"{level:g} at once" if arrivals == "concurrent" else f"{level:g} a second"
