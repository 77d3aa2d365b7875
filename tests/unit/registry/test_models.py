"""Registering a model folder and finding it again, on a real MLflow database."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from registry_support import MakeModel, evaluation_of, python

from vitrina.artifacts import MANIFEST, sha256, verify_manifest, write_manifest
from vitrina.errors import ArtifactError, RegistryError, UsageError
from vitrina.registry import models
from vitrina.registry.tracking import connect

LINEAGE = {"pipeline": "training", "pipeline_run": "run-17", "data": "https://shop.example/messages.parquet"}


def register(folder: Path) -> models.RegisteredModel:
    """Register a folder that `make_model` made."""
    return models.register_model(folder, evaluation_of(folder), LINEAGE)


def runs() -> list[Any]:
    """Every run that is not deleted."""
    client = connect()
    return client.search_runs([each.experiment_id for each in client.search_experiments()])


def test_a_version_says_where_it_comes_from(home: Path, make_model: MakeModel) -> None:
    folder = make_model("rules")
    found = register(folder)
    assert (found.name, found.version, found.uri) == ("keyword_rules", "1", "models:/keyword_rules/1")
    version = connect().get_model_version("keyword_rules", "1")
    assert version.description == "Finds the intent of a message by keywords. accuracy 1.0000."
    assert version.tags == {
        "vitrina.family": "keyword_rules",
        "vitrina.manifest": sha256(folder / MANIFEST),
        "vitrina.code_version": "abc1234",
        "vitrina.data_version": "d1",
        "vitrina.package_version": "0.1.0",
        **{f"vitrina.{name}": value for name, value in LINEAGE.items()},
    }


def test_the_run_holds_parameters_metrics_card_evaluation_and_data(home: Path, make_model: MakeModel) -> None:
    found = register(
        make_model(
            "rules",
            metrics={"metrics": {"accuracy": 0.9}, "training": {"loss": 0.5}},
            parity={"accuracy_loss": 0.001, "file": "x"},
        )
    )
    client = connect()
    run = client.get_run(found.run_id)
    assert run.info.status == "FINISHED"
    params = {"family": "keyword_rules", "seed": "7", "preset.model.words": "4", "preset.training.epochs": "1"}
    assert run.data.params == params
    assert run.data.metrics == {
        "accuracy": 1.0,
        "rows": 400.0,
        "validation.accuracy": 0.9,
        "training.loss": 0.5,
        "parity.accuracy_loss": 0.001,
    }
    assert {each.path for each in client.list_artifacts(found.run_id)} == {"README.md", "evaluation"}
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.name, dataset.digest) == ("keyword_rules", "d1")
    assert json.loads(dataset.source) == {"url": LINEAGE["data"]}


def test_the_model_has_signature_example_and_stated_requirements(home: Path, make_model: MakeModel) -> None:
    import mlflow

    info = mlflow.models.get_model_info(register(make_model("rules")).uri)
    assert info.signature.inputs.input_names() == ["text"]
    assert info.signature.outputs.input_names() == ["text", "label"]
    assert info.saved_input_example_info is not None
    root = Path(mlflow.artifacts.download_artifacts(artifact_uri="models:/keyword_rules/1"))
    requirements = (root / "requirements.txt").read_text().split()
    assert {"keyword-rules==1.0", "vitrina==0.1.0"} < set(requirements)
    assert not [each for each in requirements if each.startswith("torch")]
    assert not list(root.rglob("*.pkl"))


def test_mlflow_loads_and_runs_the_model_without_torch(home: Path, make_model: MakeModel) -> None:
    uri = register(make_model("rules")).uri
    code = f"""
import sys, mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{home}/mlflow.db")
labels = mlflow.pyfunc.load_model("{uri}").predict(pd.DataFrame({{"text": ["my parcel", "hello"]}}))["label"]
print(list(labels), "torch" in sys.modules, "transformers" in sys.modules)
"""
    done = subprocess.run(python("-c", code), capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "['delivery', 'other'] False False"


@pytest.mark.parametrize("damage", ["change", "remove"])
def test_a_damaged_folder_is_refused_before_the_registry_is_touched(
    home: Path, make_model: MakeModel, damage: str
) -> None:
    folder = make_model("rules")
    if damage == "change":
        (folder / "rules.json").write_text("{}")
    else:
        (folder / "rules.json").unlink()
    with pytest.raises(ArtifactError, match=r"damaged: rules\.json"):
        register(folder)
    assert runs() == []
    assert connect().search_registered_models() == []


def test_a_folder_without_evaluation_or_reference_is_refused(home: Path, make_model: MakeModel) -> None:
    folder = make_model("rules")
    with pytest.raises(ArtifactError, match=r"metrics\.json does not exist"):
        models.register_model(folder, folder.parent / "nowhere")
    (folder / "reference.parquet").unlink()
    write_manifest(folder, family="keyword_rules")
    with pytest.raises(ArtifactError, match=r"has no reference\.parquet"):
        register(folder)
    assert runs() == []


def test_an_unknown_family_is_refused(home: Path, make_model: MakeModel) -> None:
    folder = make_model("rules")
    write_manifest(folder, family="astrology")
    with pytest.raises(UsageError, match="no model family 'astrology'"):
        register(folder)


def test_a_failure_at_the_end_leaves_no_run_no_version_and_no_empty_model(
    home: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def fail(*arguments: Any, **options: Any) -> None:
        raise MlflowException("the disk of the server is full")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_model_version", fail)
        with pytest.raises(RegistryError, match="failed while registering rules: the disk of the server is full"):
            register(make_model("rules"))
    assert runs() == []
    assert connect().search_registered_models() == []
    assert register(make_model("again")).version == "1"


def test_a_process_killed_while_registering_leaves_no_version(home: Path, make_model: MakeModel) -> None:
    folder = make_model("rules")
    code = f"""
import os, signal
from pathlib import Path
from mlflow import MlflowClient
from vitrina.registry import models
MlflowClient.create_model_version = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
models.register_model(Path({str(folder)!r}), Path({str(evaluation_of(folder))!r}), {{}})
"""
    done = subprocess.run(python("-c", code), capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert connect().search_model_versions("name='keyword_rules'") == []
    assert register(folder).version == "1"


def test_a_folder_reference_is_verified_and_returned(make_model: MakeModel, new_home: Path) -> None:
    folder = make_model("rules")
    assert models.resolve(str(folder)) == folder
    (folder / "rules.json").write_text("{}")
    with pytest.raises(ArtifactError, match="does not match its checksum"):
        models.resolve(str(folder))
    with pytest.raises(ArtifactError, match="does not exist"):
        models.resolve("nowhere")


def test_a_version_and_an_alias_resolve_to_a_verified_copy(home: Path, make_model: MakeModel) -> None:
    folder = make_model("rules", ("refund",))
    register(folder)
    connect().set_registered_model_alias("keyword_rules", "champion", "1")
    found = models.resolve("models:/keyword_rules/1")
    assert found == home / "cache" / "models" / "keyword_rules" / "1"
    assert verify_manifest(found) == verify_manifest(folder)
    assert models.resolve("models:/keyword_rules@champion") == found


def test_a_damaged_copy_is_fetched_again(home: Path, make_model: MakeModel) -> None:
    uri = register(make_model("rules")).uri
    found = models.resolve(uri)
    (found / "rules.json").write_text("{}")
    assert verify_manifest(models.resolve(uri))
    shutil.rmtree(found)
    assert verify_manifest(models.resolve(uri))


def test_a_whole_copy_is_not_fetched_again(home: Path, make_model: MakeModel) -> None:
    uri = register(make_model("rules")).uri
    before = (models.resolve(uri) / "rules.json").stat().st_ino
    assert (models.resolve(uri) / "rules.json").stat().st_ino == before


def test_a_copy_from_an_earlier_registry_is_not_mistaken_for_this_one(
    home: Path, make_model: MakeModel, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = models.resolve(register(make_model("old", ("refund",))).uri)
    again = home.with_name("again")
    shutil.copytree(home / "cache", again / "cache")
    shutil.copy(empty_database, again / "mlflow.db")
    monkeypatch.setenv("VITRINA_HOME", str(again))
    new = models.resolve(register(make_model("new", ("parcel",))).uri)
    assert new.relative_to(again) == old.relative_to(home)
    assert json.loads((old / "rules.json").read_text()) == {"refund": "refund"}
    assert json.loads((new / "rules.json").read_text()) == {"parcel": "delivery"}


def test_files_that_changed_inside_the_registry_are_refused(home: Path, make_model: MakeModel) -> None:
    uri = register(make_model("rules")).uri
    next((home / "artifacts").rglob("rules.json")).write_text("{}")
    with pytest.raises(ArtifactError, match="registry's files of models:/keyword_rules/1 are damaged"):
        models.resolve(uri)
    assert not (home / "cache" / "models" / "keyword_rules" / "1").exists()


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("models:/keyword_rules/7", "has no version 7. Its versions: 1."),
        ("models:/keyword_rules/first", "has no version first"),
        ("models:/keyword_rules@champion", "has no alias 'champion'"),
        ("models:/tarot/1", "No model 'tarot' is registered. Registered: keyword_rules."),
        ("models:/tarot@champion", "No model 'tarot' is registered"),
        ("models:/keyword_rules", "is not a model reference"),
        ("models:/keyword_rules@", "is not a model reference"),
        ("models:/a/b/c", "is not a model reference"),
    ],
)
def test_what_cannot_be_found_is_named(registered: Path, reference: str, sentence: str) -> None:
    with pytest.raises(RegistryError, match=sentence):
        models.resolve(reference)


@pytest.fixture
def registered(home: Path, make_model: MakeModel) -> Path:
    """A registry with one version."""
    register(make_model("rules"))
    return home


def test_an_alias_whose_version_was_deleted_is_named(registered: Path, make_model: MakeModel) -> None:
    client = connect()
    client.set_registered_model_alias("keyword_rules", "champion", "1")
    register(make_model("more"))
    client.delete_model_version("keyword_rules", "1")
    with pytest.raises(RegistryError, match=r"has no alias 'champion'. Its versions: 2\."):
        models.resolve("models:/keyword_rules@champion")


def test_a_version_that_somebody_else_registered_is_refused(registered: Path) -> None:
    connect().create_model_version("keyword_rules", str(registered / "artifacts"))
    with pytest.raises(RegistryError, match="Version 2 of 'keyword_rules' is incomplete"):
        models.resolve("models:/keyword_rules/2")
