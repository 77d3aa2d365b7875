"""Which GPUs serve a model, how many sequences at once, how fast at best, and vLLM's arguments for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from vitrina.errors import UsageError
from vitrina.llm.gpus import Gpu, gpu, gpus
from vitrina.llm.memory import (
    GIB,
    MAX_SEQUENCES,
    STEP_TOKENS,
    Dtype,
    Memory,
    check_dtype,
    check_split,
    memory,
    side_bytes,
    weight_bytes,
)
from vitrina.llm.models import ModelFacts
from vitrina.llm.parameters import Parameters, count

TENSOR_PARALLEL_SIZES = (1, 2, 4, 8)
VLLM_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
AUTO = "auto"


class Load(BaseModel):
    """What must be served.

    Attributes:
        context: tokens of prompt and answer of one sequence.
        concurrency: sequences at once, each at the full context.
        dtype: of the weights; `auto` is the GPU's 16-bit type.
        tensor_parallel: GPUs that share one copy of the model; None: the fewest that do.
        utilization: share of each GPU's memory that vLLM may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: int = 4096
    concurrency: int = 1
    dtype: str = AUTO
    tensor_parallel: int | None = None
    utilization: float = 0.9


class Host(BaseModel):
    """What the machine beside the GPUs should have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_cores: int
    ram_gib: int
    disk_gib: int


class GpuPlan(BaseModel):
    """One kind of GPU for the load.

    Attributes:
        why: why it does not fit; empty when it does.
        checkpoint_dtype: of the weights that are fetched; int8 and int4 must have been made before.
        largest_concurrency: sequences of the full context that the cache holds.
        tokens_per_second_one, tokens_per_second_all: no more than this by memory bandwidth, for a sequence alone and
            for all of the load together, at full context; batching overheads and kernels make it less.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: str
    fits: bool
    why: str = ""
    dtype: Dtype | None = None
    checkpoint_dtype: Dtype | None = None
    tensor_parallel: int | None = None
    memory: Memory | None = None
    budget_bytes: int = 0
    largest_concurrency: int = 0
    tokens_per_second_one: float = 0.0
    tokens_per_second_all: float = 0.0
    host: Host | None = None
    vllm_arguments: list[str] = Field(default_factory=list)


class Plan(BaseModel):
    """A model, its load, and each GPU's answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelFacts
    parameters: Parameters
    load: Load
    gpus: list[GpuPlan]


def plan(facts: ModelFacts, load: Load, names: Sequence[str] = (), served_name: str | None = None) -> Plan:
    """Plan a model on the named GPUs, or on all that are known.

    Raises:
        UsageError: an unknown GPU or number type, heads that cannot be divided, a context the model does not have.
    """
    if load.dtype != AUTO:
        check_dtype(load.dtype)
    if load.concurrency < 1 or not 0 < load.utilization <= 1:
        raise UsageError("Concurrency is at least 1 and utilization a share above 0 and up to 1.")
    if load.tensor_parallel is not None:
        check_split(facts, load.tensor_parallel)
    chosen = [gpu(name) for name in names] or list(gpus().values())
    answers = [plan_gpu(facts, load, device, served_name) for device in chosen]
    return Plan(model=facts, parameters=count(facts), load=load, gpus=answers)


def plan_gpu(facts: ModelFacts, load: Load, device: Gpu, served_name: str | None = None) -> GpuPlan:
    """One GPU's answer: with the fewest that fit, or with the last size tried and the reason why not."""
    dtype = device.half if load.dtype == AUTO else load.dtype
    if dtype not in device.dtypes:
        return GpuPlan(gpu=device.name, fits=False, why=f"vLLM does not run {dtype} on it")
    sizes = [load.tensor_parallel] if load.tensor_parallel else _sizes(facts)
    for size in sizes:
        answer = _with(facts, load, device, dtype, size, served_name or default_name(facts))
        if answer.fits:
            break
    return answer


def default_name(facts: ModelFacts) -> str:
    """`granite-3-1-8b` of `ibm-granite/granite-3.1-8b-instruct`."""
    name = facts.name.rstrip("/").rpartition("/")[2].lower().removesuffix(".json").removesuffix("-instruct")
    return "".join(letter if letter.isalnum() else "-" for letter in name).strip("-") or "model"


def _sizes(facts: ModelFacts) -> list[int]:
    def divides(size: int) -> bool:
        return facts.heads % size == 0 and (facts.kv_heads % size == 0 or size % facts.kv_heads == 0)

    return [size for size in TENSOR_PARALLEL_SIZES if divides(size)]


def _with(facts: ModelFacts, load: Load, device: Gpu, dtype: Dtype, size: int, served_name: str) -> GpuPlan:
    needs = memory(facts, dtype, load.context, size)
    budget = int(device.memory_bytes * load.utilization)
    largest = max((budget - needs.fixed) // needs.kv_per_sequence, 0)
    fits = largest >= load.concurrency
    missing = needs.fixed + load.concurrency * needs.kv_per_sequence - budget
    known = {
        "gpu": device.name,
        "dtype": dtype,
        "checkpoint_dtype": checkpoint_dtype(dtype),
        "tensor_parallel": size,
        "memory": needs,
        "budget_bytes": budget,
        "largest_concurrency": largest,
    }
    if not fits:
        return GpuPlan(**known, fits=False, why=f"{missing / GIB:.1f} GiB short on each of {size}")
    return GpuPlan(
        **known,
        fits=True,
        tokens_per_second_one=speed_bound(facts, needs, dtype, device, size, 1),
        tokens_per_second_all=speed_bound(facts, needs, dtype, device, size, load.concurrency),
        host=host(facts, dtype, size),
        vllm_arguments=vllm_arguments(load, device, dtype, size, largest, served_name),
    )


def speed_bound(facts: ModelFacts, needs: Memory, dtype: Dtype, device: Gpu, size: int, sequences: int) -> float:
    """Tokens per second when a step does nothing but read weights and cache once from memory.

    An untied input embedding is not read: a step looks up one row a sequence.
    """
    looked_up = 0 if facts.tied else count(facts).embedding * side_bytes(dtype) // size
    read = needs.weights - looked_up + sequences * needs.kv_per_sequence
    return sequences * device.bandwidth_gb_s * 1e9 / read


def host(facts: ModelFacts, dtype: Dtype, size: int) -> Host:
    """Cores: 4 for the server and its tokenizers, 4 a GPU. RAM: the checkpoint in the page cache once, 4 GiB for the
    server and 4 a GPU. Disk: the checkpoint twice (a new revision arrives beside the old) and 10 GiB."""
    stored = weight_bytes(facts, checkpoint_dtype(dtype)) / GIB
    return Host(
        cpu_cores=4 + 4 * size,
        ram_gib=max(8 * math.ceil((stored + 4 + 4 * size) / 8), 16),
        disk_gib=5 * math.ceil((2 * stored + 10) / 5),
    )


def checkpoint_dtype(dtype: Dtype) -> Dtype:
    """Of the weights that are fetched: vLLM makes fp8 itself from 16-bit weights, int8 and int4 are made before."""
    return "bf16" if dtype == "fp8" else dtype


def vllm_arguments(load: Load, device: Gpu, dtype: Dtype, size: int, largest: int, served_name: str) -> list[str]:
    """Arguments of `vllm serve`, without the model; int8 and int4 expect a checkpoint of compressed-tensors."""
    arguments = [
        f"--served-model-name={served_name}",
        f"--tensor-parallel-size={size}",
        f"--gpu-memory-utilization={load.utilization:g}",
        f"--max-model-len={load.context}",
        f"--max-num-seqs={min(largest, MAX_SEQUENCES)}",
        f"--max-num-batched-tokens={STEP_TOKENS}",
        f"--dtype={VLLM_DTYPES.get(dtype, VLLM_DTYPES[device.half])}",
    ]
    if dtype == "fp8":
        arguments.append("--quantization=fp8")
    elif dtype in ("int8", "int4"):
        arguments.append("--quantization=compressed-tensors")
    return arguments
