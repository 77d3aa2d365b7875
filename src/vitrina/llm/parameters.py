"""How many parameters a model has, by formula: no weights and no torch are needed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from vitrina.llm.models import ModelFacts


class Parameters(BaseModel):
    """Parameters by kind; `linear` are the matrices that quantization shrinks, `head` is 0 where it is tied."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding: int
    linear: int
    vectors: int
    head: int
    total: int


def count(facts: ModelFacts) -> Parameters:
    """Count them, tied weights once."""
    linear, vectors = _gpt2_layer(facts) if facts.architecture == "gpt2" else _llama_like_layer(facts)
    final_norm = facts.hidden_size * (2 if facts.architecture == "gpt2" else 1)
    table = facts.vocab_size * facts.hidden_size
    positions = facts.max_context * facts.hidden_size if facts.architecture == "gpt2" else 0
    parts = {
        "embedding": table + positions,
        "linear": linear * facts.layers,
        "vectors": vectors * facts.layers + final_norm,
        "head": 0 if facts.tied else table,
    }
    return Parameters(**parts, total=sum(parts.values()))


def _llama_like_layer(facts: ModelFacts) -> tuple[int, int]:
    """(matrices, vectors): q, k, v, o; gate, up, down; two RMS norms; Qwen2 has biases on q, k, v but not on o."""
    hidden, inner = facts.hidden_size, facts.intermediate_size
    query, key_value = facts.heads * facts.head_dim, facts.kv_heads * facts.head_dim
    matrices = 2 * hidden * query + 2 * hidden * key_value + 3 * hidden * inner
    vectors = 2 * hidden
    if facts.attention_bias or facts.architecture == "qwen2":
        vectors += query + 2 * key_value
    if facts.attention_bias:
        vectors += hidden
    if facts.mlp_bias:
        vectors += 2 * inner + hidden
    return matrices, vectors


def _gpt2_layer(facts: ModelFacts) -> tuple[int, int]:
    """(matrices, vectors): qkv, out, up, down, each with a bias; two layer norms of scale and shift."""
    hidden, inner = facts.hidden_size, facts.intermediate_size
    return 4 * hidden * hidden + 2 * hidden * inner, 9 * hidden + inner
