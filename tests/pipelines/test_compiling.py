"""The compiled pipelines: committed, byte for byte what the code compiles to, and accepted by the KFP messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.compiling import COMPILED, Variant, compile_to, load, variants
from vitrina.errors import UsageError


def documents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    pipeline, platform = yaml.safe_load_all(path.read_text())
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.mark.parametrize("name", variants())
def test_the_committed_yaml_is_what_the_code_compiles_to(tmp_path: Path, name: str) -> None:
    compile_to(variants()[name], tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_bytes() == (COMPILED / f"{name}.yaml").read_bytes(), (
        "run `vitrina pipeline compile` and commit pipelines/compiled/"
    )


def test_no_compiled_file_is_left_over() -> None:
    assert {path.stem for path in COMPILED.iterdir()} == set(variants())


@pytest.mark.parametrize("name", variants())
def test_kubeflow_accepts_both_documents(name: str) -> None:
    pipeline, platform = yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text())
    spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
    assert spec.pipeline_info.name == f"vitrina-{name.removesuffix('.gpu')}"


def test_no_compiled_pipeline_names_a_family() -> None:
    for path in COMPILED.iterdir():
        assert "intent_classifier" not in path.read_text()


def test_the_gpu_preset_gives_training_its_accelerator_memory_and_secrets() -> None:
    pipeline, executors = documents(COMPILED / "training.gpu.yaml")
    train = pipeline["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]
    assert train["accelerator"] == {
        "count": "1",
        "resourceCount": "1",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }
    assert (train["resourceCpuLimit"], train["resourceMemoryLimit"]) == ("8", "32Gi")
    shared = executors["exec-train"]["emptyDirMounts"][0]
    assert (shared["mountPath"], shared["medium"], shared["sizeLimit"]) == ("/dev/shm", "Memory", "8Gi")
    assert "huggingface" in {secret["secretName"] for secret in executors["exec-train"]["secretAsEnv"]}
    assert pipeline["root"]["inputDefinitions"]["parameters"]["preset"]["defaultValue"] == "gpu"


def test_only_training_gets_the_accelerator_and_without_a_gpu_nobody_does() -> None:
    for name in variants():
        pipeline, _ = documents(COMPILED / f"{name}.yaml")
        containers = pipeline["deploymentSpec"]["executors"]
        with_gpu = {task for task, spec in containers.items() if "accelerator" in spec["container"]["resources"]}
        assert with_gpu == ({"exec-train"} if name.endswith(".gpu") else set())


@pytest.mark.parametrize("name", variants())
def test_every_task_has_the_volume_the_settings_and_no_cache(name: str) -> None:
    pipeline, executors = documents(COMPILED / f"{name}.yaml")
    assert set(executors) == set(pipeline["deploymentSpec"]["executors"])
    for executor in executors.values():
        assert [mount["mountPath"] for mount in executor["pvcMount"]] == ["/data"]
        assert executor["configMapAsEnv"][0]["configMapName"] == "vitrina-settings"
    dags = [pipeline["root"]["dag"], *(c["dag"] for c in pipeline["components"].values() if "dag" in c)]
    for dag in dags:
        for task in dag["tasks"].values():
            assert not task.get("cachingOptions", {}).get("enableCache", False)


def test_another_preset_of_resources_reaches_the_yaml(tmp_path: Path) -> None:
    preset = tmp_path / "big.yaml"
    preset.write_text(
        "resources: {cpu: '16', memory: 64Gi, gpu: 2, accelerator: amd.com/gpu, timeout: 3600,"
        " node_selector: {pool: gpu}, tolerations: [{key: gpu, operator: Exists, effect: NoSchedule}]}\n"
    )
    variant = Variant(pipeline="training", family="intent_classifier", preset=str(preset), image="my/python:1")
    compile_to(variant, tmp_path / "out.yaml")
    pipeline, executors = documents(tmp_path / "out.yaml")
    containers = pipeline["deploymentSpec"]["executors"]
    assert {spec["container"]["image"] for spec in containers.values()} == {"my/python:1"}
    accelerator = containers["exec-train"]["container"]["resources"]["accelerator"]
    assert (accelerator["type"], accelerator["count"]) == ("amd.com/gpu", "2")
    assert executors["exec-train"]["nodeSelector"]["labels"] == {"pool": "gpu"}
    assert executors["exec-train"]["tolerations"][0]["key"] == "gpu"
    assert executors["exec-train"]["activeDeadlineSeconds"] == "3600"


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no pipeline 'trainng'. Known: training, retraining"):
        load("trainng")
    with pytest.raises(UsageError, match="does not exist"):
        load("absent.yaml")
    with pytest.raises(UsageError, match="no model family"):
        Variant(pipeline="training", family="no_such_family").build()


def test_what_the_tasks_expect_of_the_cluster_is_in_the_manifest() -> None:
    manifest = COMPILED.parents[1] / "deploy" / "kubeflow" / "namespace.yaml"
    found = {(part["kind"], part["metadata"]["name"]): part for part in yaml.safe_load_all(manifest.read_text())}
    _, executors = documents(COMPILED / "training.yaml")
    for executor in executors.values():
        assert ("PersistentVolumeClaim", executor["pvcMount"][0]["constant"]) in found
        settings, secret = executor["configMapAsEnv"][0], executor["secretAsEnv"][0]
        keys = {each["configMapKey"] for each in settings["keyToEnv"]}
        assert keys == set(found["ConfigMap", settings["configMapName"]]["data"])
        keys = {each["secretKey"] for each in secret["keyToEnv"]}
        assert keys == set(found["Secret", secret["secretName"]]["stringData"])
