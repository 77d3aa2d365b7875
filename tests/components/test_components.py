"""Components are shells: their shape is held by rules, their bodies run as KFP runs them, without KFP."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kfp.dsl import Artifact

import vitrina.jobs
from components._base import IMAGE, QUICK_EXIT
from vitrina.errors import DataError

FOLDER = Path(importlib.import_module("components").__file__ or "").parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def component(name: str) -> Any:
    return getattr(importlib.import_module(f"components.{name}"), name)


def artifact(path: Path) -> Artifact:
    """An artifact whose path is where its uri says, as under `kfp.local`."""
    return Artifact(uri=str(path))


@pytest.mark.parametrize("name", NAMES)
def test_a_component_is_at_most_ten_lines_around_the_job_of_its_name(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    body = [node for node in function.body if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)]
    body += [node for node in function.body[1:] if isinstance(node, ast.Expr)]
    assert sum((node.end_lineno or 0) - node.lineno + 1 for node in body) <= 10
    imported = [node for node in function.body if isinstance(node, ast.ImportFrom) and node.module == "vitrina.jobs"]
    assert [alias.name for node in imported for alias in node.names] == [name]
    assert name in vitrina.jobs.__all__


@pytest.mark.parametrize("name", NAMES)
def test_a_component_installs_nothing_when_it_runs_and_ends_quickly(name: str) -> None:
    container = component(name).component_spec.implementation.container
    assert container.image == IMAGE
    assert "pip install" not in " ".join(container.command)
    assert container.command[-1].startswith(QUICK_EXIT)


def test_ingest_reads_every_source_and_keeps_the_bad_rows_apart(tmp_path: Path) -> None:
    rows = [f"message {number},greeting" for number in range(20)] + [",greeting"]
    (tmp_path / "chats.csv").write_text("\n".join(["text,intent", *rows]) + "\n", encoding="utf-8")
    tables, quarantine = artifact(tmp_path / "tables"), artifact(tmp_path / "bad")
    sources = json.dumps({"messages": str(tmp_path / "chats.csv")})
    assert component("ingest").python_func(sources, tables, quarantine) == 20
    assert len(pd.read_parquet(tmp_path / "tables" / "messages.parquet")) == 20
    assert len(pd.read_parquet(tmp_path / "bad" / "messages.parquet")) == quarantine.metadata["rows"] == 1


def test_merge_then_validate_stops_at_a_broken_contract(tmp_path: Path, messages_table: Path) -> None:
    broken = pd.DataFrame({"text": ["hi"], "intent": ["greeting"], "language": ["Klingon"]})
    broken.to_parquet(tmp_path / "new.parquet")
    merged, report = artifact(tmp_path / "merged"), artifact(tmp_path / "report.json")
    given = json.dumps({"messages": str(messages_table)}), json.dumps({"messages": str(tmp_path / "new.parquet")})
    assert component("merge").python_func(*given, merged) == 1
    with pytest.raises(DataError, match="language"):
        component("validate").python_func(merged, report)
    assert json.loads((tmp_path / "report.json").read_text())["messages"]["breaches"]


def test_prepare_keeps_the_data_version_in_the_metadata(
    tmp_path: Path, messages_table: Path, tiny_encoder: Path
) -> None:
    data = artifact(tmp_path / "data")
    overrides = json.dumps({"model.encoder": str(tiny_encoder)})
    tables = artifact(messages_table.parent)
    component("prepare").python_func("intent_classifier", tables, "smoke", overrides, 7, data)
    prepared = json.loads((tmp_path / "data" / "prepared.json").read_text())
    assert data.metadata == {"family": "intent_classifier", "data_version": prepared["data_version"]}


def test_metrics_that_kfp_cannot_store_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = SimpleNamespace(metrics={"accuracy": 0.9, "oos_auroc": float("nan")})
    monkeypatch.setattr(vitrina.jobs, "evaluate", lambda *_: measured)
    logged: dict[str, float] = {}
    metrics = SimpleNamespace(log_metric=logged.__setitem__)
    places = [artifact(tmp_path / name) for name in ("model", "data", "evaluation")]
    component("evaluate").python_func(*places, metrics)
    assert logged == {"accuracy": 0.9}


def test_a_policy_given_as_text_decides_and_an_empty_one_is_the_project_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def job(name: str, version: str, data: Path, *, policy: Path, report: Path) -> Any:
        asked.append(policy)
        return SimpleNamespace(promoted=True)

    monkeypatch.setattr(vitrina.jobs, "promote", job)
    promote, places = component("promote").python_func, (artifact(tmp_path / "data"), artifact(tmp_path / "report"))
    assert promote("some_model", "3", places[0], "default: {}", places[1]) is True
    assert promote("some_model", "3", places[0], "", places[1]) is True
    assert asked[0].read_text(encoding="utf-8") == "default: {}"
    assert asked[1] == Path("mlflow/promotion.yaml")
