"""What is rendered, against the models of the Kubernetes API and the fields that KServe's objects have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from vitrina.errors import UsageError
from vitrina.jobs import llm_manifests
from vitrina.llm.deployment import Deployment, profiles, read_deployment
from vitrina.llm.manifests import render

RENDERED = Path(__file__).parents[3] / "deploy" / "kserve" / "llm"
MODES = ("raw", "serverless")
KUBERNETES = {
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "NetworkPolicy": "V1NetworkPolicy",
    "Service": "V1Service",
}
API_VERSIONS = {
    "PersistentVolumeClaim": "v1",
    "Service": "v1",
    "PodDisruptionBudget": "policy/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "ServingRuntime": "serving.kserve.io/v1alpha1",
    "InferenceService": "serving.kserve.io/v1beta1",
    "ServiceMonitor": "monitoring.coreos.com/v1",
}
# The fields of KServe's API (0.21) that are used, and the Kubernetes type of what is in them.
RUNTIME = {
    "multiModel": "bool",
    "supportedModelFormats": "object",
    "containers": "list[V1Container]",
    "volumes": "list[V1Volume]",
}
PREDICTOR = {
    "minReplicas": "int",
    "maxReplicas": "int",
    "timeout": "int",
    "scaleTarget": "int",
    "scaleMetric": "str",
    "tolerations": "list[V1Toleration]",
    "nodeSelector": "dict(str, str)",
    "deploymentStrategy": "V1DeploymentStrategy",
    "autoScaling": "object",
    "model": "object",
}
MODEL = {"modelFormat": "object", "runtime": "str", "args": "list[str]", "resources": "V1ResourceRequirements"}


def rendered(profile: str, mode: Any, **changed: Any) -> dict[str, Any]:
    return {one["kind"]: one for one in render(read_deployment(profile, changed), mode)}


def check(value: Any, kind: str) -> None:
    """Through Kubernetes' own model and back: what it does not know is lost, what it requires is missed."""
    from kubernetes.client import ApiClient

    class Response:
        data = json.dumps(value)

    client = ApiClient()
    assert client.sanitize_for_serialization(client.deserialize(Response, kind)) == value


@pytest.fixture(params=[(profile, mode) for profile in profiles() for mode in MODES], ids="-".join)
def objects(request) -> dict[str, Any]:
    return rendered(*request.param)


def test_every_object_has_its_version_name_and_namespace(objects):
    assert {kind: one["apiVersion"] for kind, one in objects.items()} == API_VERSIONS
    assert {one["metadata"]["namespace"] for one in objects.values()} == {"vitrina-llm"}
    for one in objects.values():
        check(one["metadata"], "V1ObjectMeta")


def test_kubernetes_own_objects_pass_through_its_models_unchanged(objects):
    for kind, model in KUBERNETES.items():
        check(objects[kind], model)


def test_kserves_objects_have_only_its_fields_and_valid_pods(objects):
    predictor = objects["InferenceService"]["spec"]["predictor"]
    for value, fields in (
        (objects["ServingRuntime"]["spec"], RUNTIME),
        (predictor, PREDICTOR),
        (predictor["model"], MODEL),
    ):
        assert set(value) <= set(fields)
        for name, kind in fields.items():
            if name in value:
                check(value[name], kind)


def test_the_check_refuses_what_kubernetes_does_not_know(objects):
    container = objects["ServingRuntime"]["spec"]["containers"][0]
    with pytest.raises(AssertionError):
        check(container | {"startUpProbe": {}}, "V1Container")
    with pytest.raises(ValueError, match="name"):
        check({key: value for key, value in container.items() if key != "name"}, "V1Container")


def test_references_between_the_objects_hold(objects):
    runtime, service = objects["ServingRuntime"], objects["InferenceService"]
    model = service["spec"]["predictor"]["model"]
    assert model["runtime"] == runtime["metadata"]["name"]
    assert model["modelFormat"]["name"] in {one["name"] for one in runtime["spec"]["supportedModelFormats"]}
    container, volumes = runtime["spec"]["containers"][0], {one["name"]: one for one in runtime["spec"]["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == set(volumes)
    claim = volumes["cache"]["persistentVolumeClaim"]["claimName"]
    assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
    monitor = objects["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= objects["Service"]["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == objects["Service"]["spec"]["ports"][0]["name"]
    pods = {"serving.kserve.io/inferenceservice": service["metadata"]["name"]}
    assert objects["Service"]["spec"]["selector"] == pods
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == pods
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == pods


def test_probes_let_a_first_start_fetch_for_ten_minutes_and_knative_waits_longer(objects):
    container = objects["ServingRuntime"]["spec"]["containers"][0]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 15 * 60
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[name]["httpGet"]["port"] == container["ports"][0]["containerPort"]
    deadline = objects["InferenceService"]["metadata"]["annotations"].get("serving.knative.dev/progress-deadline")
    assert deadline in (None, "1200s")


def test_secrets_are_named_never_held(objects):
    environment = {one["name"]: one for one in objects["ServingRuntime"]["spec"]["containers"][0]["env"]}
    for name in ("HF_TOKEN", "VLLM_API_KEY"):
        assert "value" not in environment[name]
        assert set(environment[name]["valueFrom"]) == {"secretKeyRef"}
    assert "Secret" not in objects


def test_gpus_arguments_and_tolerations_come_from_the_plan(objects):
    service = objects["InferenceService"]["spec"]["predictor"]
    limits, arguments = service["model"]["resources"]["limits"], service["model"]["args"]
    assert service["model"]["resources"]["requests"] == limits
    assert f"--tensor-parallel-size={limits['nvidia.com/gpu']}" in arguments
    assert "--served-model-name=granite-3-1-8b" in arguments
    assert sum(argument.startswith("--model=") for argument in arguments) == 1
    assert service["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_two_gpus_are_asked_for_where_one_is_too_small():
    service = rendered("minimal", "raw", dtype="fp16", checkpoint=None)["InferenceService"]["spec"]["predictor"]
    assert service["model"]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert "--model=ibm-granite/granite-3.1-8b-instruct" in service["model"]["args"]


def test_raw_scales_by_waiting_requests_and_serverless_by_concurrency():
    raw, knative = (rendered("production", mode)["InferenceService"] for mode in MODES)
    assert raw["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "keda"
    external = raw["spec"]["predictor"]["autoScaling"]["metrics"][0]["external"]
    assert "vllm:num_requests_waiting" in external["metric"]["query"]
    assert external["target"] == {"type": "AverageValue", "averageValue": "16"}
    assert knative["spec"]["predictor"]["scaleTarget"] == 16
    assert "deploymentStrategy" not in knative["spec"]["predictor"]
    for service in (raw, knative):
        assert (service["spec"]["predictor"]["minReplicas"], service["spec"]["predictor"]["maxReplicas"]) == (2, 4)
    fixed = rendered("minimal", "raw")["InferenceService"]
    assert fixed["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    assert "autoScaling" not in fixed["spec"]["predictor"]


def test_the_cache_is_shared_where_replicas_share_it_and_holds_the_weights():
    one, several = (rendered(name, "raw")["PersistentVolumeClaim"]["spec"] for name in ("minimal", "production"))
    assert one["accessModes"] == ["ReadWriteOnce"]
    assert several["accessModes"] == ["ReadWriteMany"]
    assert several["resources"]["requests"]["storage"] == "45Gi"
    named = rendered("production", "raw", storage_class="fast", cache_size="99Gi")["PersistentVolumeClaim"]["spec"]
    assert (named["storageClassName"], named["resources"]["requests"]["storage"]) == ("fast", "99Gi")


def test_callers_reach_the_pods_directly_or_through_the_gateway():
    def callers(mode: str) -> set[str]:
        rule = rendered("production", mode)["NetworkPolicy"]["spec"]["ingress"][0]
        return {one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in rule["from"]}

    assert callers("raw") == {"vitrina"}
    assert callers("serverless") == {"knative-serving", "istio-system"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"gpus": "L4"}, "gpus: Extra inputs"),
        ({"gpu": "B300"}, "not a GPU"),
        ({"name": "Granite_8B"}, "name: "),
        ({"min_replicas": 5}, "max_replicas is below min_replicas"),
        ({"concurrency": 5000}, "5000 sequences of 4,096 tokens .* do not fit on A100-40"),
        ({"context": 200000}, "1 to 131,072"),
        ({"dtype": "int4"}, "int4 needs `checkpoint`"),
    ],
)
def test_mistakes_are_one_sentence(changed, says):
    with pytest.raises(UsageError, match=says) as raised:
        render(read_deployment("production", changed), "raw")
    assert "\n" not in str(raised.value)


def test_a_profile_of_ones_own_is_a_file(tmp_path):
    own = tmp_path / "small.yaml"
    own.write_text("model: granite-3.1-2b\nname: granite-3-1-2b\ngpu: L4\n")
    done = llm_manifests(tmp_path / "out", profile=str(own), modes=["raw"], overrides={"namespace": "shop"})
    (written,) = done.files
    documents = list(yaml.safe_load_all(Path(written).read_text()))
    assert {one["metadata"]["namespace"] for one in documents} == {"shop"}
    assert "ServingRuntime/granite-3-1-2b-vllm" in done.objects
    for broken in ("[1]", "{"):
        own.write_text(broken)
        with pytest.raises(UsageError, match="not a YAML mapping"):
            read_deployment(own)


def test_nothing_is_written_where_a_profile_cannot_be_rendered(tmp_path):
    for wrong in ({"profile": "huge"}, {"modes": ["raw", "knative"]}, {"overrides": {"dtype": "bf16"}}):
        with pytest.raises(UsageError):
            llm_manifests(tmp_path / "out", **wrong)
        assert not (tmp_path / "out").exists()


def test_the_manifests_in_deploy_are_what_the_profiles_render(tmp_path):
    done = llm_manifests(tmp_path)
    assert {Path(path).name for path in done.files} == {path.name for path in RENDERED.glob("*.yaml")}
    for path in done.files:
        assert Path(path).read_text() == (RENDERED / Path(path).name).read_text()


def test_a_deployment_states_every_default():
    assert Deployment(gpu="L4").hub_id() == "ibm-granite/granite-3.1-8b-instruct"
