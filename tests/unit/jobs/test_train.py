"""The train job: a whole model folder or none, the same weights after a kill, teachers, several processes."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

from vitrina.artifacts import read_json, verify_manifest
from vitrina.errors import ArtifactError, UsageError
from vitrina.jobs import train

pytestmark = pytest.mark.usefixtures("toy_path")

# A process of its own, because a file size limit or a SIGKILL is the whole process's.
CHILD = """
import json, os, resource, signal, sys
from pathlib import Path
from vitrina.errors import VitrinaError
from vitrina.jobs import train

data, output, limit, stage = sys.argv[1:]
def fill_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

from vitrina.training import distributed, model_card
if stage == "card":
    model_card.write_card = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if stage == "training":
    fill_disk()
if stage == "saving":
    distributed.leave = fill_disk
try:
    train("toy", Path(data), Path(output), overrides={"model.width": 64})
except VitrinaError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


def child(data: Path, output: Path, limit: int = 0, stage: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(data), str(output), str(limit), stage]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prepared `data` and the `model` trained on it; for reading only."""
    from toy_family.configuration import Options
    from toy_family.data import prepare
    from toy_family.spec import SPEC

    from vitrina.families import catalog

    folder = tmp_path_factory.mktemp("trained")
    (folder / "data").mkdir()
    prepare({}, folder / "data", Options(), 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "get", lambda _: SPEC)  # the entry point is there for a test, not for a module
        train("toy", folder / "data", folder / "model")
    return folder


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained model."""
    return shutil.copytree(trained / "model", tmp_path / "model")


def test_a_model_folder_holds_everything_and_matches_its_manifest(model: Path, trained: Path) -> None:
    manifest = verify_manifest(model)
    wanted = {
        "config.json", "model.safetensors", "model.onnx", "model.int8.onnx", "labels.json", "reference.parquet",
        "metrics.json", "README.md",
    }  # fmt: skip
    assert wanted <= set(manifest["files"])
    assert manifest["family"] == "toy"
    assert manifest["seed"] == 7
    assert manifest["preset"]["training"]["epochs"] == 2
    assert len(manifest["data_version"]) == 16
    assert manifest["libraries"]["torch"]
    assert {path.name for path in trained.iterdir()} == {"data", "model"}, "no checkpoints, nothing half-made"


def test_every_user_may_read_a_model_folder(model: Path) -> None:
    for path in model.iterdir():
        assert path.stat().st_mode & stat.S_IROTH, path.name


def test_the_metrics_are_those_of_the_exported_model_on_the_validation_rows(model: Path, prepared: Path) -> None:
    from toy_family import data, metrics, serving

    measured = metrics.evaluate(serving.load(model, "model.onnx"), data.read_examples(prepared, "validation"))
    report = read_json(model / "metrics.json")
    assert report["metrics"] == measured.metrics
    assert report["training"]["accuracy"] == pytest.approx(measured.metrics["accuracy"], abs=0.02)


def test_the_reference_has_a_row_and_an_embedding_for_each_validation_row(model: Path, prepared: Path) -> None:
    reference = pd.read_parquet(model / "reference.parquet")
    assert len(reference) == len(pd.read_parquet(prepared / "validation.parquet"))
    assert {"label", "confidence", "embedding", "x", "y"} == set(reference)
    assert reference["embedding"].map(len).eq(2).all()


def test_overrides_and_preset_reach_model_and_manifest(prepared: Path, tmp_path: Path) -> None:
    train("toy", prepared, tmp_path / "m", overrides={"training.epochs": 1, "model.width": 8})
    assert read_json(tmp_path / "m" / "config.json")["width"] == 8
    assert verify_manifest(tmp_path / "m")["preset"]["training"]["epochs"] == 1


def test_the_same_request_gives_the_same_weights(model: Path, prepared: Path, tmp_path: Path) -> None:
    train("toy", prepared, tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def test_a_job_killed_while_writing_the_model_ends_with_the_same_weights(prepared: Path, tmp_path: Path) -> None:
    done = child(prepared, tmp_path / "killed", stage="card")
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "killed").exists()
    resumed = train("toy", prepared, tmp_path / "killed", overrides={"model.width": 64})
    train("toy", prepared, tmp_path / "whole", overrides={"model.width": 64})
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("killed", "whole"))
    assert all(first[name].equal(second[name]) for name in first)
    assert resumed.metrics["accuracy"] > 0.6


@pytest.mark.parametrize(
    ("stage", "limit", "what"),
    [
        pytest.param("training", 9_000, "the checkpoint", marks=pytest.mark.slow),  # its weights do not fit
        ("training", 40_000, "the checkpoint"),  # its optimizer does not fit
        ("saving", 9_000, "the weights"),
        pytest.param("saving", 40_000, "", marks=pytest.mark.slow),  # the ONNX file does not fit
    ],
)
def test_a_full_disk_leaves_no_half_folder_and_says_so(
    stage: str, limit: int, what: str, prepared: Path, tmp_path: Path
) -> None:
    done = child(prepared, tmp_path / "model", limit, stage)
    kind, sentence = json.loads(done.stdout.strip().splitlines()[-1])
    assert kind == "ArtifactError", done.stderr
    assert sentence.startswith(f"Cannot write {what}")
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.glob(".model*"))


def test_an_older_model_survives_a_failed_training(
    model: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = verify_manifest(model)

    def no_space(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vitrina.training.model_card.write_text", no_space)
    with pytest.raises(ArtifactError, match="No space left on device"):
        train("toy", prepared, model, overrides={"training.epochs": 1})
    assert verify_manifest(model) == before


def test_a_student_trains_its_teacher_first_and_reuses_it(prepared: Path, tmp_path: Path) -> None:
    train("toy", prepared, tmp_path / "student", preset="student")
    teacher = tmp_path / "student.teacher"
    assert verify_manifest(teacher)["preset"]["name"] == "base"
    assert verify_manifest(tmp_path / "student")["teacher"] == "student.teacher"
    made = (teacher / "manifest.json").stat().st_mtime_ns
    train("toy", prepared, tmp_path / "student", preset="student", overrides={"training.seed": 8})
    assert (teacher / "manifest.json").stat().st_mtime_ns == made


def test_new_data_makes_a_new_teacher(prepared: Path, tmp_path: Path) -> None:
    from toy_family.data import points

    train("toy", prepared, tmp_path / "student", preset="student")
    before = verify_manifest(tmp_path / "student.teacher")["data_version"]
    points(100, 99).to_parquet(prepared / "train.parquet", index=False)
    train("toy", prepared, tmp_path / "student", preset="student")
    assert verify_manifest(tmp_path / "student.teacher")["data_version"] != before


def test_a_given_teacher_is_used_instead(model: Path, prepared: Path, tmp_path: Path) -> None:
    train("toy", prepared, tmp_path / "student", preset="student", teacher=str(model))
    assert not (tmp_path / "student.teacher").exists()


def test_a_damaged_teacher_is_refused(model: Path, prepared: Path, tmp_path: Path) -> None:
    (model / "model.onnx").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"model.onnx does not match"):
        train("toy", prepared, tmp_path / "student", preset="student", teacher=str(model))


def test_checkpoints_of_another_request_are_left_alone(prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    (folder / "0123456789abcdef" / "checkpoint-3").mkdir(parents=True)
    train("toy", prepared, tmp_path / "model", checkpoints=folder)
    assert [path.name for path in folder.iterdir()] == ["0123456789abcdef"]


def test_data_that_was_not_prepared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a prepared folder: train.parquet is missing"):
        train("toy", tmp_path, tmp_path / "model")


def test_data_of_another_family_is_refused(prepared: Path, tmp_path: Path) -> None:
    (prepared / "prepared.json").write_text('{"family": "intent_classifier"}')
    with pytest.raises(UsageError, match="was prepared for intent_classifier, not for toy"):
        train("toy", prepared, tmp_path / "model")


def test_two_processes_write_one_model(prepared: Path, tmp_path: Path) -> None:
    preset = tmp_path / "two.yaml"
    training = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "metric": "accuracy", "num_processes": 2}
    preset.write_text(yaml.safe_dump({"model": {"dropout": 0.0}, "training": training}))
    result = train("toy", prepared, tmp_path / "model", preset=str(preset), overrides={"training.epochs": 3})
    manifest = verify_manifest(tmp_path / "model")
    assert manifest["preset"]["training"]["epochs"] == 3
    assert result.metrics == read_json(tmp_path / "model" / "metrics.json")["metrics"]
    assert read_json(tmp_path / "model" / "metrics.json")["training"]["steps"] == 3 * 6  # 192 rows / (2 · 16)


@pytest.mark.slow
def test_a_mistake_in_a_worker_comes_back_as_its_sentence(prepared: Path, tmp_path: Path) -> None:
    changes = {"training.num_processes": 2, "training.metric": "f1"}
    with pytest.raises(Exception, match="metric f1 is not measured; there are: accuracy, loss") as caught:
        train("toy", prepared, tmp_path / "model", overrides=changes)
    assert isinstance(caught.value, UsageError.__base__)
    assert not (tmp_path / "model").exists()
