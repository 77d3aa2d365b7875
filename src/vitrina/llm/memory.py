"""Bytes of weights, key-value cache and the rest, per GPU.

Assumptions, all in one place:
- int8, int4 and fp8 shrink the matrices of the layers only; embeddings, head, norms and biases stay 16-bit. int4 has a
  16-bit scale and one 4-bit zero a group of 128; int8 and fp8 one 16-bit scale an output row, left out (< 0.1%).
- The cache is 16-bit (32-bit with fp32 weights), and is handed out in blocks of 16 tokens (PagedAttention, arXiv
  2309.06180).
- Activations are those of the largest step: 2,048 tokens through one layer (residual, norm, attention in and out, the
  gated product), or the logits of 256 sequences in float32, twice (the sampler's copy), whichever is more.
- 0.6 GiB a GPU for the CUDA context, libraries and work spaces, 0.5 GiB for CUDA graphs, and 0.3 GiB for NCCL where
  GPUs share a model.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from vitrina.errors import UsageError
from vitrina.llm.models import ModelFacts
from vitrina.llm.parameters import count

Dtype = Literal["fp32", "bf16", "fp16", "fp8", "int8", "int4"]
GIB = 1024**3
BLOCK_TOKENS = 16
STEP_TOKENS = 2048
MAX_SEQUENCES = 256
LINEAR_BYTES: dict[Dtype, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "int4": 0.5 + (2 + 0.5) / 128,
}
CONTEXT_BYTES = int(0.6 * GIB)
GRAPH_BYTES = int(0.5 * GIB)
NCCL_BYTES = int(0.3 * GIB)


class Memory(BaseModel):
    """Bytes on each GPU; `kv_per_sequence` is one sequence at the full context, in whole blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: int
    activations: int
    overhead: int
    kv_per_token: int
    kv_per_sequence: int

    @property
    def fixed(self) -> int:
        """What is taken before the first request."""
        return self.weights + self.activations + self.overhead


def memory(facts: ModelFacts, dtype: Dtype, context: int, tensor_parallel: int = 1) -> Memory:
    """What each of `tensor_parallel` GPUs must hold.

    Raises:
        UsageError: a context the model does not have, or heads that cannot be divided.
    """
    check_split(facts, tensor_parallel)
    if not 1 <= context <= facts.max_context:
        raise UsageError(
            f"{facts.name} takes contexts of 1 to {facts.max_context:,} tokens (max_position_embeddings), "
            f"not {context:,}."
        )
    blocks = -(-context // BLOCK_TOKENS) * BLOCK_TOKENS
    return Memory(
        weights=weight_bytes(facts, dtype, tensor_parallel),
        activations=activation_bytes(facts, dtype, tensor_parallel),
        overhead=CONTEXT_BYTES + GRAPH_BYTES + (NCCL_BYTES if tensor_parallel > 1 else 0),
        kv_per_token=kv_bytes(facts, dtype, 1, tensor_parallel),
        kv_per_sequence=kv_bytes(facts, dtype, blocks, tensor_parallel),
    )


def check_dtype(dtype: str) -> None:
    """Raises UsageError where it is not one of `Dtype`."""
    if dtype not in get_args(Dtype):
        raise UsageError(f"'{dtype}' is not a number type; choose {', '.join(get_args(Dtype))}.")


def check_split(facts: ModelFacts, tensor_parallel: int) -> None:
    """Raises UsageError where the heads cannot be shared out: key-value heads are divided, or whole ones repeated."""
    if tensor_parallel < 1 or facts.heads % tensor_parallel:
        raise UsageError(
            f"The {facts.heads} attention heads of {facts.name} cannot be divided among {tensor_parallel} GPUs; "
            "choose a tensor-parallel size that divides them."
        )
    if facts.kv_heads % tensor_parallel and tensor_parallel % facts.kv_heads:
        raise UsageError(
            f"The {facts.kv_heads} key-value heads of {facts.name} can be neither divided among nor repeated on "
            f"{tensor_parallel} GPUs; choose another tensor-parallel size."
        )


def weight_bytes(facts: ModelFacts, dtype: Dtype, tensor_parallel: int = 1) -> int:
    """Matrices, embedding and head are shared out; norms and biases counted whole on every GPU."""
    parts = count(facts)
    kept = side_bytes(dtype)
    shared = parts.linear * LINEAR_BYTES[dtype] + (parts.embedding + parts.head) * kept
    return round(shared / tensor_parallel + parts.vectors * kept)


def kv_bytes(facts: ModelFacts, dtype: Dtype, tokens: int, tensor_parallel: int = 1) -> int:
    """Keys and values of one sequence on one GPU; layers with a window keep no more than the window."""
    heads = max(facts.kv_heads // tensor_parallel, 1)
    windowed = min(tokens, facts.sliding_window or tokens)
    kept = (facts.layers - facts.sliding_layers) * tokens + facts.sliding_layers * windowed
    return 2 * heads * facts.head_dim * side_bytes(dtype) * kept


def activation_bytes(facts: ModelFacts, dtype: Dtype, tensor_parallel: int = 1) -> int:
    """The largest step's working memory (see the module's assumptions)."""
    size = side_bytes(dtype)
    layer = STEP_TOKENS * size * (4 * facts.hidden_size + 3 * facts.intermediate_size // tensor_parallel)
    logits = 2 * 4 * MAX_SEQUENCES * facts.vocab_size
    return max(layer, logits)


def side_bytes(dtype: Dtype) -> int:
    """Bytes of a number that is not quantized: cache, activations, embeddings, norms."""
    return 4 if dtype == "fp32" else 2
