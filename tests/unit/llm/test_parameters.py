"""The formula against the model's own parameters, on the meta device."""

from __future__ import annotations

import pytest

from vitrina.llm.models import built_in, facts_of, resolve_model
from vitrina.llm.parameters import count

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
    "granite with biases": SMALL | {"model_type": "granite", "attention_bias": True, "mlp_bias": True},
    "llama": SMALL | {"model_type": "llama", "tie_word_embeddings": False},
    "llama with wide heads": SMALL | {"model_type": "llama", "head_dim": 16, "attention_bias": True},
    "mistral": SMALL | {"model_type": "mistral", "tie_word_embeddings": False, "sliding_window": None},
    "qwen2": SMALL | {"model_type": "qwen2", "tie_word_embeddings": True},
    "gpt2": {"model_type": "gpt2", "n_embd": 48, "n_head": 6, "n_layer": 3, "n_positions": 64, "vocab_size": 101},
}


def own_count(config: dict) -> int:
    """What the model of transformers has; nothing is allocated."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = {name: value for name, value in config.items() if name != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **known))
    return model.num_parameters()


@pytest.mark.parametrize("name", TINY)
def test_the_formula_is_exact_for_every_architecture(name):
    config = (
        TINY[name]
        if "tie_word_embeddings" in TINY[name] or name == "gpt2"
        else TINY[name] | {"tie_word_embeddings": False}
    )
    assert count(facts_of(config, name)).total == own_count(config)


@pytest.mark.parametrize("name", ["ibm-granite/granite-3.1-8b-instruct", "Qwen/Qwen2.5-7B-Instruct"])
def test_the_formula_is_exact_for_real_models(name):
    assert count(resolve_model(name)).total == own_count(built_in()[name])


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # The totals of the hub's safetensors.
        ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
        ("mistralai/Mistral-7B-Instruct-v0.3", 7_248_023_552),
        ("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512),
    ],
)
def test_built_in_models_have_the_published_number_of_parameters(name, published):
    assert count(resolve_model(name)).total == published
