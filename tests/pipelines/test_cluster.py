"""Submitting to a cluster: real HTTP, real uploads, the answers of a small Kubeflow Pipelines API."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.cluster import Cluster
from pipelines.compiling import COMPILED
from pipelines.schedules import Schedule, read_schedules
from vitrina.errors import ServiceError, UsageError

PARAMETERS = {"family": "some_family", "tables": {"messages": "/data/messages.parquet"}}


def _double() -> Any:
    spec = importlib.util.spec_from_file_location("kubeflow_double", Path(__file__).with_name("kubeflow_double.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["kubeflow_double"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def api() -> Iterator[tuple[str, Any]]:
    with _double().kubeflow() as running:
        yield running


def test_submit_uploads_the_compiled_pipeline_and_starts_a_run(api: tuple[str, Any]) -> None:
    host, store = api
    submitted = Cluster(host).submit(COMPILED / "training.gpu.yaml", PARAMETERS, "nightly")
    version = next(v for v in store.versions if v["pipeline_version_id"] == submitted.version_id)
    assert version["pipeline_spec"]["pipelineInfo"]["name"] == "vitrina-training"
    assert store.runs[0]["pipeline_version_reference"] == {
        "pipeline_id": submitted.pipeline_id,
        "pipeline_version_id": submitted.version_id,
    }
    assert store.runs[0]["runtime_config"]["parameters"] == {
        "family": "some_family",
        "tables": '{"messages": "/data/messages.parquet"}',
    }
    assert store.experiments[0]["display_name"] == "nightly"
    assert store.runs[0]["experiment_id"] == store.experiments[0]["experiment_id"]
    assert submitted.url == f"{host}/#/runs/details/{store.runs[0]['run_id']}"


def test_the_same_bytes_are_uploaded_once_and_other_bytes_are_a_new_version(
    api: tuple[str, Any], tmp_path: Path
) -> None:
    host, store = api
    package = tmp_path / "mine.yaml"
    package.write_bytes((COMPILED / "training.yaml").read_bytes())
    first = Cluster(host).submit(package, PARAMETERS, "vitrina")
    again = Cluster(host).submit(package, PARAMETERS, "vitrina")
    package.write_text(package.read_text() + "\n# touched\n")
    changed = Cluster(host).submit(package, PARAMETERS, "vitrina")
    assert first.version_id == again.version_id != changed.version_id
    assert (len(store.pipelines), len(store.experiments), len(store.runs)) == (1, 1, 3)
    assert first.pipeline == "vitrina-training"


def test_a_schedule_recurs_with_its_cron_and_replaces_the_earlier_one_of_its_name(api: tuple[str, Any]) -> None:
    host, store = api
    (name, schedule), *_ = read_schedules().items()
    Cluster(host).schedule(name, schedule, "vitrina")
    Cluster(host).schedule("another", schedule, "vitrina")
    later = schedule.model_copy(update={"cron": "0 30 4 * * *", "enabled": False})
    made = Cluster(host).schedule(name, later, "vitrina")
    assert sorted(job["display_name"] for job in store.recurring) == ["another", name]
    job = next(job for job in store.recurring if job["display_name"] == name)
    assert job["recurring_run_id"] == made.run
    assert job["trigger"]["cron_schedule"]["cron"] == "0 30 4 * * *"
    assert (job["mode"], job["max_concurrency"], job["no_catchup"]) == ("DISABLE", 1, True)


def test_the_token_of_a_file_is_sent(api: tuple[str, Any], tmp_path: Path) -> None:
    host, store = api
    (tmp_path / "token").write_text("secret\n")
    Cluster(host, token_file=tmp_path / "token").submit(COMPILED / "training.yaml", PARAMETERS, "vitrina")
    assert store.tokens == {"Bearer secret"}


def test_a_mistake_is_told_before_anything_is_uploaded(api: tuple[str, Any], tmp_path: Path) -> None:
    host, store = api
    (tmp_path / "not_a_pipeline.yaml").write_text("hello: world\n")
    cluster = Cluster(host)
    with pytest.raises(UsageError, match="needs a value for tables"):
        cluster.submit(COMPILED / "training.yaml", {"family": "x"}, "vitrina")
    with pytest.raises(UsageError, match="no parameter speed"):
        cluster.submit(COMPILED / "training.yaml", {**PARAMETERS, "speed": 1}, "vitrina")
    with pytest.raises(UsageError, match="no compiled pipeline"):
        cluster.submit(tmp_path / "not_a_pipeline.yaml", {}, "vitrina")
    with pytest.raises(UsageError, match="vitrina pipeline compile"):
        cluster.schedule("x", Schedule(pipeline="absent", cron="0 0 3 * * *"), "vitrina")
    assert store.pipelines == []


def test_what_the_api_refuses_is_one_sentence(api: tuple[str, Any]) -> None:
    host, store = api
    cluster = Cluster(host)
    store.pipelines.append({"pipeline_id": "gone", "display_name": "vitrina-training"})
    store.full = True
    with pytest.raises(ServiceError, match=r"127.0.0.1:\d+ refused: 403 No more versions\.$"):
        cluster.submit(COMPILED / "training.yaml", PARAMETERS, "vitrina")
    assert store.runs == []


def test_an_address_that_is_no_kubeflow_is_told_at_once(api: tuple[str, Any]) -> None:
    host, _ = api
    with pytest.raises(ServiceError, match=r"/elsewhere is no Kubeflow Pipelines API.*answers 404"):
        Cluster(host + "/elsewhere")


def test_an_api_that_does_not_answer_is_named() -> None:
    with pytest.raises(ServiceError, match="No Kubeflow Pipelines API answers at http://127.0.0.1:9"):
        Cluster("http://127.0.0.1:9").submit(COMPILED / "training.yaml", PARAMETERS, "vitrina")
