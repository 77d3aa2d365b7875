from __future__ import annotations

from pathlib import Path

import pytest

from vitrina.errors import UsageError
from vitrina.monitoring.triggers import Facts, Policy, load_policy, reasons_to_retrain

ROOT = Path(__file__).parents[3]


def policy(**fields: object) -> Policy:
    return Policy.model_validate(fields)


def test_nothing_fires_on_a_quiet_model() -> None:
    facts = Facts(drift=[], age_days=400, new_labels=10_000, live_accuracy=0.94, evaluated_accuracy=0.95)
    assert reasons_to_retrain(policy(), facts) == []


def test_drift_fires_unless_switched_off() -> None:
    facts = Facts(drift=["the mix of label changed"])
    assert reasons_to_retrain(policy(), facts) == ["the mix of label changed"]
    assert reasons_to_retrain(policy(drift=False), facts) == []


@pytest.mark.parametrize(("age", "fires"), [(29.0, False), (31.0, True), (None, False)])
def test_age_fires_past_its_limit(age: float | None, fires: bool) -> None:
    reasons = reasons_to_retrain(policy(maximum_age_days=30), Facts(drift=[], age_days=age))
    assert bool(reasons) is fires


@pytest.mark.parametrize(("labels", "fires"), [(99, False), (100, True)])
def test_labels_fire_when_there_are_enough(labels: int, fires: bool) -> None:
    reasons = reasons_to_retrain(policy(minimum_new_labels=100), Facts(drift=[], new_labels=labels))
    assert bool(reasons) is fires


@pytest.mark.parametrize(("live", "fires"), [(0.91, False), (0.89, True), (None, False)])
def test_an_accuracy_drop_fires_past_its_limit(live: float | None, fires: bool) -> None:
    facts = Facts(drift=[], live_accuracy=live, evaluated_accuracy=0.95)
    assert bool(reasons_to_retrain(policy(), facts)) is fires
    assert reasons_to_retrain(policy(maximum_accuracy_drop=None), facts) == []


def test_the_documented_policy_file_states_the_defaults() -> None:
    assert load_policy(ROOT / "deploy" / "monitoring" / "triggers.yaml") == load_policy(None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("max_age: 3", "max_age: Extra inputs are not permitted"),
        ("minimum_new_labels: 0", "minimum_new_labels: Input should be greater than or equal to 1"),
        ("- drift", "the file: Input should be a valid dictionary"),
        ("drift: [", "is not valid YAML"),
    ],
)
def test_a_bad_policy_is_refused_in_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_policy(path)


def test_a_missing_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml does not exist"):
        load_policy(tmp_path / "none.yaml")
