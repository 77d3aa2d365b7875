"""When to train again: a policy of four triggers, judged on what monitoring measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitrina.errors import UsageError


class Policy(BaseModel):
    """Which facts start a retraining. An empty value switches that trigger off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drift: bool = Field(True, description="Retrain when the traffic drifted from the reference.")
    maximum_age_days: float | None = Field(None, gt=0, description="Retrain when the model is older.")
    minimum_new_labels: int | None = Field(None, ge=1, description="Retrain when as many new labels came in.")
    maximum_accuracy_drop: float | None = Field(
        0.05, gt=0, lt=1, description="Retrain when live accuracy is surely this far below the evaluated one."
    )


@dataclass(frozen=True)
class Facts:
    """What the policy judges; None: not known.

    Attributes:
        drift: one sentence per drifted test.
        age_days: since the model was trained.
        new_labels: true labels given since then.
        live_accuracy: upper end of the 95% interval of the labelled traffic's accuracy, 0–1.
        evaluated_accuracy: of the same model before it went live, 0–1.
    """

    drift: list[str]
    age_days: float | None = None
    new_labels: int = 0
    live_accuracy: float | None = None
    evaluated_accuracy: float | None = None


def load_policy(path: Path | None) -> Policy:
    """The policy of a YAML file, or the default one.

    Raises:
        UsageError: when the file is missing, is no YAML mapping or holds an unknown or impossible value.
    """
    import yaml

    if path is None:
        return Policy.model_validate({})
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Policy.model_validate(content if content is not None else {})
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path}: {where}: {first['msg']}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {str(error).splitlines()[0]}.") from error


def reasons_to_retrain(policy: Policy, facts: Facts) -> list[str]:
    """One sentence per trigger that fired; empty: leave the champion alone."""
    reasons = list(facts.drift) if policy.drift else []
    limit = policy.maximum_age_days
    if limit is not None and facts.age_days is not None and facts.age_days > limit:
        reasons.append(f"the model is {facts.age_days:.1f} days old, the policy allows {limit:g}")
    wanted = policy.minimum_new_labels
    if wanted is not None and facts.new_labels >= wanted:
        reasons.append(f"{facts.new_labels} new labels came in, the policy waits for {wanted}")
    reasons += _accuracy_drop(policy, facts)
    return reasons


def _accuracy_drop(policy: Policy, facts: Facts) -> list[str]:
    allowed, live, before = policy.maximum_accuracy_drop, facts.live_accuracy, facts.evaluated_accuracy
    if allowed is None or live is None or before is None or before - live <= allowed:
        return []
    return [f"live accuracy is at most {live:.3f}, {before - live:.3f} below the evaluated {before:.3f}"]
