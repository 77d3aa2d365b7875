"""One typed configuration from which all manifests of a language model are rendered; profiles are files of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vitrina.errors import UsageError
from vitrina.llm.gpus import gpu
from vitrina.llm.models import resolve_model
from vitrina.llm.planner import GpuPlan, Load, plan

Mode = Literal["raw", "serverless"]
DnsLabel = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+[GMT]i$")]


class Strict(BaseModel):
    """Frozen; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretKey(Strict):
    """A key of a secret that is there already: manifests never hold a secret. `optional`: start without it."""

    name: DnsLabel
    key: str = Field(min_length=1)
    optional: bool = False


class Toleration(Strict):
    """A taint of GPU nodes that the pods accept."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class Deployment(Strict):
    """A language model on KServe.

    Attributes:
        model: what the planner reads: built-in name, folder or hub id.
        checkpoint: hub id that vLLM loads; default: the model's own. int8 and int4 need one made so.
        context, concurrency, dtype, tensor_parallel, utilization: see `planner.Load`; concurrency is a replica's, and
            what autoscaling aims at.
        cache_size: volume for weights and compiled kernels; default: what the planner says.
        download_minutes, load_minutes: how long a first start may take; no probe kills a server before.
        client_namespaces: who may call it (raw); gateway_namespaces: through whom it is called (serverless).
    """

    name: DnsLabel = "granite-3-1-8b"
    namespace: DnsLabel = "vitrina-llm"
    model: str = "granite-3.1-8b"
    checkpoint: str | None = None
    image: str = "vllm/vllm-openai:v0.11.0"
    gpu: str
    gpu_resource: str = "nvidia.com/gpu"
    dtype: str = "auto"
    context: int = Field(default=4096, ge=1)
    concurrency: int = Field(default=10, ge=1)
    tensor_parallel: int | None = Field(default=None, ge=1)
    utilization: float = Field(default=0.9, gt=0, le=1)
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=1, ge=1)
    cache_size: Quantity | None = None
    storage_class: str | None = None
    download_minutes: int = Field(default=10, ge=1)
    load_minutes: int = Field(default=5, ge=1)
    timeout_seconds: int = Field(default=300, ge=1, le=600)
    hub_token: SecretKey = SecretKey(name="huggingface", key="token", optional=True)
    api_key: SecretKey = SecretKey(name="vitrina-llm", key="api-key")
    tolerations: tuple[Toleration, ...] = (Toleration(key="nvidia.com/gpu"),)
    node_selector: dict[str, str] = Field(default_factory=dict)
    client_namespaces: tuple[DnsLabel, ...] = ("vitrina",)
    gateway_namespaces: tuple[DnsLabel, ...] = ("knative-serving", "istio-system")
    monitoring_namespace: DnsLabel = "monitoring"
    prometheus_url: str = "http://prometheus-operated.monitoring.svc.cluster.local:9090"

    @model_validator(mode="after")
    def _bounds(self) -> Deployment:
        if self.max_replicas < self.min_replicas:
            raise ValueError("max_replicas is below min_replicas")
        return self

    @property
    def startup_seconds(self) -> int:
        """What a first start may take: fetching, then loading."""
        return 60 * (self.download_minutes + self.load_minutes)

    def hub_id(self) -> str:
        """What vLLM loads."""
        return self.checkpoint or resolve_model(self.model).name

    def planned(self) -> GpuPlan:
        """The planner's answer for this GPU and load.

        Raises:
            UsageError: when the load does not fit, or weights are quantized and no such checkpoint is named.
        """
        load = Load(
            context=self.context,
            concurrency=self.concurrency,
            dtype=self.dtype,
            tensor_parallel=self.tensor_parallel,
            utilization=self.utilization,
        )
        answer = plan(resolve_model(self.model), load, [self.gpu], self.name).gpus[0]
        if not answer.fits:
            raise UsageError(
                f"{self.concurrency} sequences of {self.context:,} tokens of {self.model} do not fit on "
                f"{gpu(self.gpu).name}: {answer.why}."
            )
        if answer.checkpoint_dtype in ("int8", "int4") and self.checkpoint is None:
            raise UsageError(f"{answer.dtype} needs `checkpoint`: a hub id whose weights are {answer.dtype} already.")
        return answer


@cache
def profiles() -> tuple[str, ...]:
    """Names of the profiles that come with Vitrina."""
    folder = files("vitrina.llm").joinpath("profiles")
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


def read_deployment(profile: str | Path, overrides: Mapping[str, Any] | None = None) -> Deployment:
    """A profile by name, or a YAML file of one's own; overrides replace top-level keys.

    Raises:
        UsageError: no such profile or file, unknown keys, values out of range.
    """
    if str(profile) in profiles():
        text = files("vitrina.llm").joinpath("profiles", f"{profile}.yaml").read_text(encoding="utf-8")
    elif Path(profile).is_file():
        text = Path(profile).read_text(encoding="utf-8")
    else:
        raise UsageError(f"'{profile}' is neither a profile ({', '.join(profiles())}) nor a file.")
    try:
        return Deployment.model_validate({**(yaml.safe_load(text) or {}), **(overrides or {})})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the replicas"
        raise UsageError(f"Profile '{profile}': {where}: {first['msg']}.") from error
    except (yaml.YAMLError, TypeError) as error:
        raise UsageError(f"Profile '{profile}' is not a YAML mapping.") from error
