from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from vitrina import watching
from vitrina.artifacts import write_manifest
from vitrina.errors import ArtifactError
from vitrina.families.intent_classifier import serving
from vitrina.serving.runtime import Loaded, Runtime, Source, point, read_source


def runtime(path: Path) -> Runtime:
    return Runtime(path, serving.load, [lambda predictor: predictor.predict(["hello"])], "intent_classifier")


@pytest.fixture
def model(student_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(student_folder, tmp_path / "model"))


def test_a_folder_is_loaded_warmed_and_named_by_its_manifest(model: Path) -> None:
    subject = runtime(model)
    assert subject.refresh()
    assert subject.current is not None
    assert subject.current.seconds[0] > 0
    assert subject.current.source == Source(model, "intent_classifier", read_source(model).version)
    assert len(subject.current.source.version) == 12
    assert not subject.refresh()


def test_a_pointer_names_folder_model_and_version_relative_to_itself(model: Path) -> None:
    point(model.parent / "model.json", Path("model"), "intent_classifier", "7")
    assert read_source(model.parent / "model.json") == Source(model, "intent_classifier", "7")


@pytest.mark.parametrize("content", ["[]", "{}", '{"folder": "x"}', "not json"])
def test_a_pointer_that_names_nothing_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "pointer.json").write_text(content)
    with pytest.raises(ArtifactError, match="pointer.json"):
        read_source(tmp_path / "pointer.json")


@pytest.mark.parametrize("missing", ["nowhere", "empty"])
def test_a_missing_model_leaves_the_runtime_empty_and_says_why(tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty").mkdir()
    subject = runtime(tmp_path / missing)
    assert not subject.refresh()
    assert subject.current is None
    assert missing in subject.error


def test_a_damaged_file_is_named_and_never_loaded(model: Path) -> None:
    with (model / "model.int8.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff\xff\xff")
    subject = runtime(model)
    assert not subject.refresh()
    assert "model.int8.onnx does not match its checksum" in subject.error


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.int8.onnx", b"not onnx"), ("tokenizer.json", b"{}"), ("labels.json", b'{"labels": []}')],
)
def test_a_broken_file_with_a_matching_manifest_is_an_error_not_a_crash(model: Path, name: str, content: bytes) -> None:
    (model / name).write_bytes(content)
    write_manifest(model, family="intent_classifier")
    subject = runtime(model)
    assert not subject.refresh()
    assert name in subject.error


def test_a_failed_swap_leaves_the_model_in_use(model: Path, tmp_path: Path) -> None:
    pointer = tmp_path / "pointer.json"
    point(pointer, model, "intent_classifier", "1")
    subject = runtime(pointer)
    subject.refresh()
    before = subject.current
    point(pointer, tmp_path / "gone", "intent_classifier", "2")
    assert not subject.refresh()
    assert subject.current is before
    assert "gone" in subject.error


def test_a_watched_pointer_switches_the_model(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.05)
    pointer = tmp_path / "pointer.json"
    point(pointer, model, "intent_classifier", "1")
    subject = runtime(pointer)
    subject.refresh()
    seen: list[Loaded] = []
    subject.watch(seen.append)
    point(pointer, model, "intent_classifier", "2")
    deadline = time.monotonic() + 5
    while not seen and time.monotonic() < deadline:
        time.sleep(0.02)
    subject.close()
    assert [loaded.source.version for loaded in seen] == ["2"]
    assert subject.current is seen[0]


def test_an_unexpected_failure_of_the_loader_is_an_artifact_error(model: Path) -> None:
    def fail(folder: Path) -> Any:
        raise RuntimeError("no memory")

    subject = Runtime(model, fail, [])
    with pytest.raises(ArtifactError, match="no memory"):
        subject.swap(read_source(model))
