from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import vitrina
from vitrina.artifacts import folder_version, verify_manifest
from vitrina.errors import ArtifactError, UsageError
from vitrina.jobs.package import package
from vitrina.jobs.serve import serve, serves_no_model
from vitrina.packaging.bento import REQUIREMENTS, extra_requirements, locked, service_folder


def test_a_bento_holds_code_model_and_locked_requirements(
    student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    result = package(str(student_folder), tmp_path / "bento")
    source = tmp_path / "bento" / "src"
    assert result.tag == f"intent_classifier:{result.version}"
    assert json.loads((source / "model.json").read_text()) == {
        "folder": "model",
        "model": "intent_classifier",
        "version": result.version,
    }
    verify_manifest(source / "model")
    assert folder_version(source / "model") == folder_version(student_folder) == result.version
    packed = {path.name for path in (source / "model").iterdir()}
    assert {"model.int8.onnx", "tokenizer.json", "labels.json"} <= packed
    assert not packed & {"model.safetensors", "model.onnx"}
    assert all(path.stat().st_mode & 0o004 for path in source.rglob("*") if path.is_file())
    assert (source / "vitrina" / "serving" / "http.py").is_file()
    assert not list(source.rglob("__pycache__"))
    requirements = (source / "requirements.txt").read_text()
    assert not re.search(r"^(torch|transformers|mlflow|pandas|vitrina)\b", requirements, re.MULTILINE)
    locked_by_bentoml = (tmp_path / "bento" / "env" / "python" / "requirements.txt").read_text()
    assert "onnxruntime==" in locked_by_bentoml

    again = package(str(student_folder), tmp_path / "bento")  # packing the same model twice is no error
    assert again == result


def test_a_damaged_model_is_not_packed(student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    model = Path(shutil.copytree(student_folder, tmp_path / "model"))
    (model / "labels.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"labels\.json does not match"):
        package(str(model), tmp_path / "bento")
    assert not (tmp_path / "bento").exists()


def test_requirements_are_locked_with_all_that_they_need() -> None:
    lines = locked(REQUIREMENTS)
    names = {line.partition("==")[0] for line in lines}
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^+\s]*", line) for line in lines)
    assert {"bentoml", "starlette", "uvicorn", "uvloop", "onnxruntime", "protobuf", "pydantic-core"} <= names
    assert lines == sorted(lines)


def test_extras_are_followed_only_where_they_are_asked_for() -> None:
    plain = {line.partition("==")[0] for line in locked(["uvicorn"])}
    standard = {line.partition("==")[0] for line in locked(["uvicorn[standard]"])}
    assert "httptools" not in plain
    assert "httptools" in standard


def test_a_bento_may_ask_for_more_than_every_service_needs(tmp_path: Path) -> None:
    assert extra_requirements(tmp_path) == []
    (tmp_path / "requirements.in").write_text("# the index\npyarrow\n\nuvicorn[standard]  # its extra\n")
    assert extra_requirements(tmp_path) == ["pyarrow", "uvicorn[standard]"]
    (tmp_path / "requirements.in").write_text("no-such-distribution\n")
    with pytest.raises(UsageError, match=r"requirements\.in asks for no-such-distribution"):
        extra_requirements(tmp_path)


def test_a_family_without_a_service_says_so() -> None:
    with pytest.raises(UsageError, match="bentos/nothing/service.py"):
        service_folder("nothing")


def test_a_service_without_a_model_is_packed_with_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    result = package("assistant", tmp_path / "bento")
    source = tmp_path / "bento" / "src"
    assert result.tag == f"assistant:{vitrina.__version__}"
    assert (source / "vitrina" / "llm" / "prompts" / "templates" / "describe.yaml").is_file()
    assert not (source / "model.json").exists()
    requirements = (source / "requirements.txt").read_text()
    assert re.search(r"^openai==", requirements, re.MULTILINE)
    assert not re.search(r"^(torch|transformers|vitrina)\b", requirements, re.MULTILINE)


def test_only_a_bento_of_no_family_goes_without_a_model() -> None:
    assert serves_no_model("assistant")
    assert not any(
        serves_no_model(name) for name in ("intent_classifier", "models:/assistant@champion", "../assistant")
    )
    with pytest.raises(UsageError, match="leave out --model"):
        serve("assistant", model="models:/assistant@champion")
