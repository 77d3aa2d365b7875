"""Manifests of a language model on KServe, from one `Deployment`; the planner gives resources and vLLM's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from vitrina.llm.deployment import Deployment, Mode, SecretKey
from vitrina.llm.planner import GpuPlan

Manifest = dict[str, Any]
PORT = 8080
CACHE = "/cache"
MODEL_FORMAT = "vLLM"
# Where Knative's sidecar listens: HTTP, HTTPS, its own metrics, those of the container.
QUEUE_PROXY_PORTS = (8012, 8112, 9090, 9091)
# Names of KServe 0.16 and later; before, they were RawDeployment and Serverless.
DEPLOYMENT_MODES = {"raw": "Standard", "serverless": "Knative"}


def render(deployment: Deployment, mode: Mode) -> list[Manifest]:
    """All objects, in the order in which they are applied.

    Raises:
        UsageError: when the model does not fit on the GPU of the deployment.
    """
    answer = deployment.planned()
    return [
        cache_volume(deployment, answer),
        serving_runtime(deployment),
        inference_service(deployment, answer, mode),
        disruption_budget(deployment),
        network_policy(deployment, mode),
        metrics_service(deployment),
        service_monitor(deployment),
    ]


def to_yaml(manifests: Sequence[Manifest], comment: str) -> str:
    """One file of several documents under a comment."""
    documents = [yaml.safe_dump(one, sort_keys=False, width=120) for one in manifests]
    return f"# {comment}\n" + "---\n".join(documents)


def cache_volume(deployment: Deployment, answer: GpuPlan) -> Manifest:
    """Weights and compiled kernels, so that only the first start fetches; shared where there are several replicas."""
    assert answer.host is not None
    spec: Manifest = {
        "accessModes": ["ReadWriteMany" if deployment.max_replicas > 1 else "ReadWriteOnce"],
        "resources": {"requests": {"storage": deployment.cache_size or f"{answer.host.disk_gib}Gi"}},
    }
    if deployment.storage_class:
        spec["storageClassName"] = deployment.storage_class
    return _object("v1", "PersistentVolumeClaim", deployment, "-cache", spec)


def serving_runtime(deployment: Deployment) -> Manifest:
    """How vLLM runs here: image, volumes, secrets, probes; which model and how large is the service's."""
    container = {
        "name": "kserve-container",
        "image": deployment.image,
        "command": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
        "args": [f"--port={PORT}"],
        "env": [
            {"name": "HF_HOME", "value": f"{CACHE}/huggingface"},
            {"name": "VLLM_CACHE_ROOT", "value": f"{CACHE}/vllm"},
            {"name": "VLLM_NO_USAGE_STATS", "value": "1"},
            {"name": "HF_HUB_DISABLE_TELEMETRY", "value": "1"},
            _secret("HF_TOKEN", deployment.hub_token),
            _secret("VLLM_API_KEY", deployment.api_key),
        ],
        "ports": [{"containerPort": PORT, "name": "http1", "protocol": "TCP"}],
        "volumeMounts": [{"name": "cache", "mountPath": CACHE}, {"name": "shm", "mountPath": "/dev/shm"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **probes(deployment),
    }
    spec = {
        "multiModel": False,
        "supportedModelFormats": [{"name": MODEL_FORMAT, "version": "1", "autoSelect": False}],
        "containers": [container],
        "volumes": [
            {"name": "cache", "persistentVolumeClaim": {"claimName": f"{deployment.name}-cache"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
        ],
    }
    return _object("serving.kserve.io/v1alpha1", "ServingRuntime", deployment, "-vllm", spec)


def probes(deployment: Deployment) -> Manifest:
    """The first start may fetch the weights; from then on a dead server is restarted after a minute and a half."""
    health = {"path": "/health", "port": PORT, "scheme": "HTTP"}
    period = 10
    return {
        "startupProbe": {
            "httpGet": health,
            "periodSeconds": period,
            "timeoutSeconds": 5,
            "failureThreshold": -(-deployment.startup_seconds // period),
        },
        "readinessProbe": {"httpGet": dict(health), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {"httpGet": dict(health), "periodSeconds": 30, "timeoutSeconds": 10, "failureThreshold": 3},
    }


def inference_service(deployment: Deployment, answer: GpuPlan, mode: Mode) -> Manifest:
    """The model, its arguments, resources and bounds of scaling."""
    assert answer.host is not None
    resources = {
        "cpu": str(answer.host.cpu_cores),
        "memory": f"{answer.host.ram_gib}Gi",
        deployment.gpu_resource: str(answer.tensor_parallel),
    }
    predictor: Manifest = {
        "minReplicas": deployment.min_replicas,
        "maxReplicas": deployment.max_replicas,
        "timeout": deployment.timeout_seconds,
        "tolerations": [one.model_dump(exclude_none=True) for one in deployment.tolerations],
        "model": {
            "modelFormat": {"name": MODEL_FORMAT, "version": "1"},
            "runtime": f"{deployment.name}-vllm",
            "args": [f"--model={deployment.hub_id()}", *answer.vllm_arguments],
            "resources": {"requests": resources, "limits": dict(resources)},
        },
    }
    if deployment.node_selector:
        predictor["nodeSelector"] = dict(deployment.node_selector)
    annotations = {"serving.kserve.io/deploymentMode": DEPLOYMENT_MODES[mode]}
    more, scaling = _raw(deployment) if mode == "raw" else _serverless(deployment)
    service = _object(
        "serving.kserve.io/v1beta1", "InferenceService", deployment, "", {"predictor": predictor | scaling}
    )
    service["metadata"]["annotations"] = annotations | more
    return service


def _raw(deployment: Deployment) -> tuple[dict[str, str], Manifest]:
    """A Deployment; KEDA scales on requests that run or wait, since neither CPU nor GPU use says that more is needed.

    GPUs are scarce: an update takes a replica away before it adds one.
    """
    update = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    if deployment.max_replicas == deployment.min_replicas:
        return {"serving.kserve.io/autoscalerClass": "none"}, {"deploymentStrategy": update}
    chosen = f'{{namespace="{deployment.namespace}",model_name="{deployment.name}"}}'
    metric = {
        "backend": "prometheus",
        "serverAddress": deployment.prometheus_url,
        "query": f"sum(vllm:num_requests_running{chosen}) + sum(vllm:num_requests_waiting{chosen})",
    }
    target = {"type": "AverageValue", "averageValue": str(deployment.concurrency)}
    scaling = {"metrics": [{"type": "External", "external": {"metric": metric, "target": target}}]}
    return {"serving.kserve.io/autoscalerClass": "keda"}, {"deploymentStrategy": update, "autoScaling": scaling}


def _serverless(deployment: Deployment) -> tuple[dict[str, str], Manifest]:
    """A Knative service; it gives up on a revision after 10 minutes unless it is told otherwise."""
    annotations = {"serving.knative.dev/progress-deadline": f"{deployment.startup_seconds + 300}s"}
    return annotations, {"scaleMetric": "concurrency", "scaleTarget": deployment.concurrency}


def disruption_budget(deployment: Deployment) -> Manifest:
    """Draining nodes takes one replica at a time."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _pods(deployment)}}
    return _object("policy/v1", "PodDisruptionBudget", deployment, "", spec)


def network_policy(deployment: Deployment, mode: Mode) -> Manifest:
    """In: callers (or Knative's gateway) and Prometheus. Out: names, and HTTPS to fetch the weights."""
    callers = deployment.client_namespaces if mode == "raw" else deployment.gateway_namespaces
    ports = (PORT,) if mode == "raw" else (PORT, *QUEUE_PROXY_PORTS)
    spec = {
        "podSelector": {"matchLabels": _pods(deployment)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [_namespace(name) for name in callers], "ports": [_port(port) for port in ports]},
            {"from": [_namespace(deployment.monitoring_namespace)], "ports": [_port(PORT)]},
        ],
        "egress": [
            {"ports": [_port(53, "UDP"), _port(53)]},
            {"ports": [_port(443)]},
        ],
    }
    return _object("networking.k8s.io/v1", "NetworkPolicy", deployment, "", spec)


def metrics_service(deployment: Deployment) -> Manifest:
    """What the monitor finds in either mode: every pod of the model, by address."""
    port = {"name": "metrics", "port": PORT, "targetPort": PORT, "protocol": "TCP"}
    spec = {"clusterIP": "None", "selector": _pods(deployment), "ports": [port]}
    return _object("v1", "Service", deployment, "-metrics", spec)


def service_monitor(deployment: Deployment) -> Manifest:
    """vLLM's own metrics every 15 s; the Prometheus operator reads it."""
    labels = {"app.kubernetes.io/name": f"{deployment.name}-metrics"}
    spec = {
        "selector": {"matchLabels": labels},
        "endpoints": [{"port": "metrics", "path": "/metrics", "interval": "15s"}],
    }
    return _object("monitoring.coreos.com/v1", "ServiceMonitor", deployment, "", spec)


def _object(api_version: str, kind: str, deployment: Deployment, suffix: str, spec: Manifest) -> Manifest:
    name = f"{deployment.name}{suffix}"
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "vitrina"}
    metadata = {"name": name, "namespace": deployment.namespace, "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _pods(deployment: Deployment) -> dict[str, str]:
    """The label that KServe puts on a model's pods in both modes."""
    return {"serving.kserve.io/inferenceservice": deployment.name}


def _secret(variable: str, key: SecretKey) -> Manifest:
    return {"name": variable, "valueFrom": {"secretKeyRef": key.model_dump()}}


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _port(number: int, protocol: str = "TCP") -> Manifest:
    return {"protocol": protocol, "port": number}
