"""The promotion policy file: what it may say, and that the project's own is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrina.errors import UsageError
from vitrina.evaluation.policy import load_policy
from vitrina.families import catalog

PROJECT = Path(__file__).parents[3]


def write(tmp_path: Path, text: str) -> Path:
    """A policy file."""
    path = tmp_path / "promotion.yaml"
    path.write_text(text)
    return path


def test_a_model_has_its_own_entry_or_the_default(tmp_path: Path) -> None:
    path = write(tmp_path, "default: {champion: {level: 0.9}}\nmodels: {a: {metrics: {accuracy: {minimum: 0.8}}}}\n")
    assert load_policy(path, "a").metrics["accuracy"].minimum == 0.8
    assert load_policy(path, "a").champion.level == 0.95
    assert load_policy(path, "b").metrics == {}
    assert load_policy(path, "b").champion.level == 0.9


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("models: {a: {metric: {}}}", "models.a.metric"),
        ("models: {a: {metrics: {accuracy: {min: 0.8}}}}", "models.a.metrics.accuracy"),
        ("models: {a: {metrics: {accuracy: {}}}}", "models.a.metrics.accuracy"),
        ("default: {champion: {level: 95}}", "default.champion.level"),
        ("- a list", "the file"),
        ("models: {a: [", "not valid YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        load_policy(write(tmp_path, text), "a")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml cannot be read"):
        load_policy(tmp_path / "nowhere.yaml", "a")


@pytest.mark.parametrize("name", catalog.BUILT_IN)
def test_the_projects_policy_gates_every_family(name: str) -> None:
    policy = load_policy(PROJECT / "mlflow" / "promotion.yaml", name)
    assert catalog.get(name).primary_metric in policy.metrics


def test_the_folder_mlflow_holds_no_python() -> None:
    names = [path.name for path in (PROJECT / "mlflow").rglob("*")]
    assert "promotion.yaml" in names
    assert not [name for name in names if name.endswith((".py", ".pyc", ".pyi", ".so")) or name == "__pycache__"]
