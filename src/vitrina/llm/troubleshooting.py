"""What is wrong with a language model's server, and what to change: deduced from what `vitrina llm verify` saw.

The four troubles are those of `docs/operations.md`: it does not load, it answers late, memory runs out, it is slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pydantic import BaseModel, ConfigDict, Field

from vitrina.llm.gpus import gpu
from vitrina.llm.models import ModelFacts, built_in, facts_of
from vitrina.llm.planner import GpuPlan, Load, default_name, plan_gpu

LATE = 2.0
"""Seconds for a short answer."""
SLOW = 20.0
"""Tokens a second."""
FULL = 0.95
"""Share of the cache of keys and values."""
OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemory|No available memory for the cache|larger than the maximum", re.I)
CONTEXT = 4096


class Seen(BaseModel):
    """What was seen of a server.

    Attributes:
        state: ready, absent (nobody listens), loading (503) or another status; `waited`: seconds until then.
        answer_seconds, first_token_seconds, tokens_per_second: of a short answer; None where there was none.
        complaints: sentences of checks that failed, with the server's own words.
        server: vLLM's own figures over the checks (`benchmark.watch.server_figures`), where it exposes them.
        gpu, context: what it runs on and the tokens it takes, where known.
    """

    model_config = ConfigDict(frozen=True)

    state: str = "ready"
    waited: float = 0.0
    answer_seconds: float | None = None
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    complaints: list[str] = Field(default_factory=list)
    server: dict[str, float] | None = None
    model: str | None = None
    gpu: str | None = None
    context: int | None = None


class Diagnosis(BaseModel):
    """One trouble: what was seen, the likeliest reason, and what to change, the first thing first."""

    model_config = ConfigDict(frozen=True)

    trouble: str
    reason: str
    changes: list[str]


def diagnoses(seen: Seen) -> list[Diagnosis]:
    """The troubles of a server; none where all is well.

    Raises:
        UsageError: an unknown GPU.
    """
    return [*_loading(seen), *_memory(seen), *_latency(seen), *_speed(seen)]


def _loading(seen: Seen) -> Iterator[Diagnosis]:
    if seen.state == "ready":
        return
    trouble = f"The model is not ready after {seen.waited:.0f} s."
    logs = "Read why: kubectl describe pod, and kubectl logs --previous for a container that ended."
    if seen.state == "loading":
        yield Diagnosis(
            trouble=trouble,
            reason="The server is still fetching or loading weights: 16 GB take 5 to 10 minutes the first time.",
            changes=[
                "Wait: vitrina llm verify URL --wait 900. The start-up probe of the manifests allows 15 minutes.",
                "A slow download: check that the pod reaches huggingface.co and that the token's secret exists; the "
                "volume keeps the weights for the next start.",
                *_holds(seen),
            ],
        )
    elif seen.state == "absent":
        yield Diagnosis(
            trouble=trouble,
            reason="Nobody listens there: the pod waits for a GPU or an image, the server ended at its start, or the "
            "address is wrong.",
            changes=[
                f"Look at the address: kubectl get inferenceservice. {logs}",
                "vLLM refused its arguments: compare them with those of vitrina llm plan.",
                *_holds(seen),
            ],
        )
    else:
        yield Diagnosis(
            trouble=trouble,
            reason=f"Something answers {seen.state} in its place: a gateway, or a server that failed.",
            changes=[f"Look at the address and at the gateway's route. {logs}"],
        )


def _memory(seen: Seen) -> Iterator[Diagnosis]:
    said = next((sentence for sentence in seen.complaints if OUT_OF_MEMORY.search(sentence)), None)
    evicted = (seen.server or {}).get("preemptions", 0)
    if said is None and evicted < 1:
        return
    reason = f"The server says: {said}." if said else f"vLLM threw {evicted:.0f} sequences out of its full cache."
    yield Diagnosis(
        trouble="The GPU's memory runs out.",
        reason=reason,
        changes=[
            "Quantize the weights: --dtype int8 in the plan halves them (fp8 on L4, RTX 4090, H100 and H200).",
            f"Shorten the context: a smaller --max-model-len than {seen.context or CONTEXT:,}.",
            "Take less at once: a smaller --max-num-seqs; a lower --gpu-memory-utilization where others use the GPU.",
            *_holds(seen),
        ],
    )


def _latency(seen: Seen) -> Iterator[Diagnosis]:
    if seen.answer_seconds is None or seen.answer_seconds <= LATE:
        return
    first, server = seen.first_token_seconds or 0.0, seen.server or {}
    if server.get("waiting_max", 0) >= 1:
        reason = f"Up to {server['waiting_max']:.0f} requests wait for their turn."
        changes = [
            "Add replicas (max_replicas of the profile), or raise --max-num-seqs where the cache has room.",
            "Let callers send fewer at once: VITRINA_ASSISTANT_RUNNING limits the assistant's.",
        ]
    elif server.get("cache_used_max", 0) >= FULL:
        reason = f"The cache of keys and values is {server['cache_used_max']:.0%} full."
        changes = ["Raise --gpu-memory-utilization (0.9), or shorten --max-model-len: more sequences fit."]
    elif first > seen.answer_seconds / 2:
        reason = f"Most of it passes before the first token ({first:.1f} s): a queue, or the reading of the prompt."
        changes = [
            "Look whether others use the server: its /metrics name what waits (vllm:num_requests_waiting).",
            "Raise --max-num-batched-tokens; keep what prompts share at their start, so that prefix caching serves it.",
        ]
    else:
        reason = "Most of it passes while the answer is written."
        changes = ["Shorten answers: a smaller max_tokens (150 to 200 for a product)."]
    yield Diagnosis(
        trouble=f"A short answer takes {seen.answer_seconds:.1f} s (more than {LATE:g} s).",
        reason=reason,
        changes=[*changes, *_holds(seen)],
    )


def _speed(seen: Seen) -> Iterator[Diagnosis]:
    if seen.tokens_per_second is None or seen.tokens_per_second >= SLOW:
        return
    running = (seen.server or {}).get("running_mean", 0)
    shared = f"{running:.0f} sequences share the GPU" if running > 2 else "the GPU reads all weights for every token"
    yield Diagnosis(
        trouble=f"It writes {seen.tokens_per_second:.0f} tokens/s (fewer than {SLOW:g}).",
        reason=f"Memory bandwidth is the usual limit: {shared}.",
        changes=[
            *_bounds(seen),
            "Quantize the weights (fp8 or int8), or split them: --tensor-parallel-size 2.",
            "Remove --enforce-eager, if it is set; see that the GPU is used at all (nvidia-smi).",
            "Ask for less: a smaller max_tokens, prompts that want short answers.",
        ],
    )


def _holds(seen: Seen) -> list[str]:
    """What the plan says about memory."""
    return _planned(seen, lambda answer: f"holds {answer.largest_concurrency} sequences", "whether it fits")


def _bounds(seen: Seen) -> list[str]:
    """What the plan says about speed."""
    return _planned(seen, lambda answer: f"{answer.tokens_per_second_one:.0f} tokens/s at most", "what to expect")


def _planned(seen: Seen, says: Callable[[GpuPlan], str], question: str) -> list[str]:
    """One sentence with the plan's numbers of the GPU, or with the command that makes them."""
    context = seen.context or CONTEXT
    facts = _facts(seen.model) if seen.model else None
    if seen.gpu is None or facts is None:
        model, card = facts.name if facts else "MODEL", seen.gpu or "GPU"
        return [f"vitrina llm plan {model} --context {context} --gpu {card} says {question}."]
    context = min(context, facts.max_context)
    device = gpu(seen.gpu)
    numbers = [
        f"{dtype} {says(answer) if answer.fits else 'does not fit'}"
        for dtype in (device.half, "fp8", "int8")
        if dtype in device.dtypes
        for answer in [plan_gpu(facts, Load(context=context, dtype=dtype, tensor_parallel=1), device)]
    ]
    return [f"By the plan, {facts.name} at {context:,} tokens on one {device.name}: {', '.join(numbers)}."]


def _facts(served: str) -> ModelFacts | None:
    """The built-in model that is served under this name, if it is one."""
    known = (facts_of(config, hub_id) for hub_id, config in built_in().items())
    return next(
        (facts for facts in known if default_name(facts.model_copy(update={"name": served})) == default_name(facts)),
        None,
    )
