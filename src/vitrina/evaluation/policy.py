"""The promotion policy: what a candidate must reach, per registered model (`mlflow/promotion.yaml`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vitrina.errors import UsageError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(_Section):
    """What a metric must reach; both ends may be given."""

    minimum: float | None = None
    maximum: float | None = None
    optional: bool = Field(
        default=False, description="Checked only where it was measured; otherwise a gap is a failure."
    )

    @model_validator(mode="after")
    def _bounds_something(self) -> Bound:
        if self.minimum is None and self.maximum is None:
            raise ValueError("give minimum, maximum or both")
        return self


class SliceBound(Bound):
    """What a metric must reach on every value of one slice, e.g. on each language."""

    metric: str
    minimum_rows: Annotated[int, Field(ge=1)] = Field(
        default=50, description="Smaller slices say too little and are skipped."
    )


class ChampionRule(_Section):
    """How a challenger is compared with the champion on the same held-out rows (scores 0–1)."""

    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    samples: Annotated[int, Field(ge=200)] = 2000
    margin: Annotated[float, Field(ge=0)] = Field(
        default=0.03, description="The loss that must be excluded at that level."
    )
    seed: int = 7


class Policy(_Section):
    """The gates of one registered model."""

    metrics: dict[str, Bound] = {}
    slices: dict[str, SliceBound] = {}
    behaviour: dict[str, Bound] = Field(
        default={}, description="Bounds on the pass rate of behavioural checks, by name."
    )
    champion: ChampionRule = ChampionRule()


class _PolicyFile(_Section):
    default: Policy = Policy()
    models: dict[str, Policy] = {}


def load_policy(path: Path, name: str) -> Policy:
    """The policy of the registered model `name`: its own entry, else `default`.

    Raises:
        UsageError: a missing file, no YAML, an unknown key or a value out of range; names it.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        policies = _PolicyFile.model_validate(content or {})
    except OSError as error:
        raise UsageError(f"The promotion policy {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"The promotion policy {path} is not valid YAML: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"The promotion policy {path} is wrong at {where}: {first['msg']}.") from error
    return policies.models.get(name, policies.default)
