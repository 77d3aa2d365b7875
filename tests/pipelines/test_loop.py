"""The compiled pipelines, run as they are uploaded, with the real jobs: train, watch, and retrain only on drift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import vitrina.cli.pipelines  # noqa: F401 (adds its commands to the app)
from vitrina.cli import app

FAMILY = "intent_classifier"
# Any model passes: what is tested is the way, with a model that is too small to be good.
POLICY = "default: {metrics: {accuracy: {minimum: 0.0}}, champion: {margin: 1.0}}"


@dataclass(frozen=True)
class Loop:
    """A folder with a trained champion, and what its training pipeline answered."""

    folder: Path
    parameters: list[str]
    answer: dict[str, Any]

    def retrain(self, predictions: Path) -> dict[str, Any]:
        more = {"predictions": str(predictions), "minimum_rows": "50"}
        more["additions"] = json.dumps({"messages": str(predictions)})
        given = [f"--param={name}={value}" for name, value in more.items()]
        return run("pipelines/compiled/retraining.yaml", *self.parameters, *given)

    def champion(self) -> str:
        from vitrina.registry.models import resolve

        return resolve(f"models:/{FAMILY}@champion").name


def run(pipeline: str, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["pipeline", "run", pipeline, "--json", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def statuses(answer: dict[str, Any]) -> dict[str, str]:
    return {task["name"]: task["status"] for task in answer["tasks"]}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path, messages_table: Path) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINA_HOME", str(folder / "home"))
        patch.setenv("VITRINA_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        overrides = {"model.encoder": str(tiny_encoder), "training.max_steps": 20}
        parameters = {
            "family": FAMILY,
            "tables": json.dumps({"messages": str(messages_table)}),
            "preset": "smoke",
            "overrides": json.dumps(overrides),
            "policy": POLICY,
        }
        given = [f"--param={name}={value}" for name, value in parameters.items()]
        yield Loop(folder, given, run("pipelines/compiled/training.yaml", *given))


def log_answers(folder: Path, model: Path, version: str, texts: list[str], label: str | None) -> Path:
    """A prediction log of the model's own answers to `texts`, with feedback where there is a label."""
    from vitrina.families.intent_classifier.serving import load

    folder.mkdir()
    rows = load(model).predict_frame(pd.DataFrame({"text": texts})).to_dict("records")
    now = datetime.now(UTC)
    for number, row in enumerate(rows):
        moment = (now - timedelta(seconds=len(rows) - number)).isoformat()
        row.update(request_id=f"r{number}", timestamp=moment, model=FAMILY, version=version)
    write_lines(folder / f"{now:%Y-%m-%d}.1.jsonl", rows)
    if label:
        given = [{"request_id": row["request_id"], "label": label, "timestamp": now.isoformat()} for row in rows]
        write_lines(folder / "feedback.jsonl", given)
    return folder


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, default=bool) + "\n" for row in rows), encoding="utf-8")


def test_the_compiled_training_pipeline_ends_with_a_packaged_champion(loop: Loop) -> None:
    tasks = ("ingest", "validate", "prepare", "train", "evaluate", "register", "promote", "package")
    assert statuses(loop.answer) == dict.fromkeys(tasks, "succeeded")
    outputs = loop.answer["outputs"]
    assert loop.champion() == outputs["register"]["Output"] == "1"
    assert (Path(outputs["train"]["model"]) / "model.onnx").is_file()
    assert (Path(outputs["package"]["bento"]) / "bento.yaml").is_file()
    assert json.loads(Path(outputs["promote"]["report"]).read_text())["promoted"] is True


def test_a_registered_version_says_which_run_of_which_pipeline_made_it(loop: Loop) -> None:
    from mlflow import MlflowClient

    tags = MlflowClient(f"sqlite:///{loop.folder}/mlflow.db").get_model_version(FAMILY, "1").tags
    assert tags["vitrina.pipeline"] == "vitrina-training"
    assert tags["vitrina.pipeline_run"].startswith("vitrina-training-")
    assert tags["vitrina.pipeline_run_id"].isdigit()


def test_without_drift_the_champion_is_left_alone(loop: Loop, tmp_path: Path) -> None:
    before = loop.champion()
    model = Path(loop.answer["outputs"]["train"]["model"])
    usual = pd.read_parquet(model / "reference.parquet")["text"].tolist()
    answer = loop.retrain(log_answers(tmp_path / "log", model, before, usual * 3, None))
    done = statuses(answer)
    assert done.pop("drift") == "succeeded"
    assert set(done.values()) == {"skipped"}
    assert {"merge", "train", "promote", "package"} <= set(done)
    assert answer["outputs"]["drift"]["Output"] is False
    assert loop.champion() == before


def test_drift_leads_to_a_new_champion_that_learnt_from_the_feedback(loop: Loop, tmp_path: Path) -> None:
    model = Path(loop.answer["outputs"]["train"]["model"])
    new = [f"the courier was rude and shouted at my neighbour for {n} whole minutes, unacceptable" for n in range(150)]
    answer = loop.retrain(log_answers(tmp_path / "log", model, loop.champion(), new, "complaint"))
    assert set(statuses(answer).values()) == {"succeeded"}
    assert answer["outputs"]["merge"]["Output"] == len(new)
    version = answer["outputs"]["register"]["Output"]
    assert loop.champion() == version == "2"
    labels = json.loads((Path(answer["outputs"]["train"]["model"]) / "labels.json").read_text())["labels"]
    assert "complaint" in labels
    assert "<html" in Path(answer["outputs"]["drift"]["html"]).read_text().lower()
