"""Configurations of tiny models, one an architecture and what may differ in it; a proxy that makes faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faulty_llm import Faults, FaultyLLM, faulty
from tests.llm_server import LLMServer

SMALL = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "vocab_size": 101,
    "max_position_embeddings": 64,
}
TINY = {
    "granite": SMALL | {"model_type": "granite", "tie_word_embeddings": True},
    "granite with biases": SMALL
    | {"model_type": "granite", "tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True},
    "llama": SMALL | {"model_type": "llama", "tie_word_embeddings": False},
    "llama with wide heads": SMALL
    | {"model_type": "llama", "tie_word_embeddings": False, "head_dim": 16, "attention_bias": True},
    "mistral": SMALL | {"model_type": "mistral", "tie_word_embeddings": False, "sliding_window": None},
    "qwen2": SMALL | {"model_type": "qwen2", "tie_word_embeddings": True},
    "gpt2": {"model_type": "gpt2", "n_embd": 48, "n_head": 6, "n_layer": 3, "n_positions": 64, "vocab_size": 101},
}


@pytest.fixture
def tiny() -> dict[str, dict[str, Any]]:
    """Name → configuration."""
    return TINY


@pytest.fixture(scope="module")
def shared_proxy(llm_server: LLMServer) -> Iterator[FaultyLLM]:
    with faulty(llm_server) as proxy:
        yield proxy


@pytest.fixture
def proxy(shared_proxy: FaultyLLM) -> FaultyLLM:
    """Without faults."""
    shared_proxy.faults = Faults()
    shared_proxy.completions.clear()
    return shared_proxy
