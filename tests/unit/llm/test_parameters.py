"""The formula against the model's own parameters, on the meta device."""

from __future__ import annotations

import pytest

from vitrina.llm.models import built_in, facts_of, resolve_model
from vitrina.llm.parameters import count

NAMES = ["granite", "granite with biases", "llama", "llama with wide heads", "mistral", "qwen2", "gpt2"]


def own_count(config: dict) -> int:
    """What the model of transformers has; nothing is allocated."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = {name: value for name, value in config.items() if name != "model_type"}
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **known))
    return model.num_parameters()


@pytest.mark.parametrize("name", NAMES)
def test_the_formula_is_exact_for_every_architecture(name, tiny):
    assert count(facts_of(tiny[name], name)).total == own_count(tiny[name])


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
