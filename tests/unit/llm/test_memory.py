"""Bytes by formula against bytes of real tensors."""

from __future__ import annotations

import pytest

from vitrina.errors import UsageError
from vitrina.llm.memory import GIB, kv_bytes, memory, weight_bytes
from vitrina.llm.models import facts_of, resolve_model
from vitrina.llm.parameters import count

GRANITE = resolve_model("granite-3.1-8b")


@pytest.mark.parametrize("name", ["granite", "llama with wide heads", "qwen2", "gpt2"])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_cache_is_as_large_as_a_real_one(name, dtype, tiny):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

    config = tiny[name]
    known = {key: value for key, value in config.items() if key != "model_type"}
    of_model = AutoConfig.for_model(config["model_type"], **known)
    model = AutoModelForCausalLM.from_config(of_model, dtype=torch.float32 if dtype == "fp32" else torch.bfloat16)
    cache = DynamicCache(config=of_model)
    with torch.inference_mode():
        model(torch.zeros(1, 37, dtype=torch.long), past_key_values=cache, use_cache=True)
    held = sum(part.nbytes for layer in cache.layers for part in (layer.keys, layer.values))
    assert kv_bytes(facts_of(config, name), dtype, 37) == held


def test_the_weights_are_as_large_as_real_ones(tiny):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = {key: value for key, value in tiny["qwen2"].items() if key != "model_type"}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("qwen2", **known), dtype=torch.bfloat16)
    assert weight_bytes(facts_of(tiny["qwen2"], "q"), "bf16") == sum(part.nbytes for part in model.parameters())


def test_a_window_bounds_the_cache():
    windowed = GRANITE.model_copy(update={"sliding_window": 4096, "sliding_layers": 20})
    assert kv_bytes(windowed, "bf16", 4096) == kv_bytes(GRANITE, "bf16", 4096)
    assert kv_bytes(windowed, "bf16", 12288) == 2 * kv_bytes(GRANITE, "bf16", 4096)


def test_granite_8b_takes_what_its_card_and_grouped_heads_say():
    needs = memory(GRANITE, "bf16", 4096)
    assert needs.weights == 2 * count(GRANITE).total
    assert needs.weights / GIB == pytest.approx(15.2, abs=0.1)
    assert needs.kv_per_token == 160 * 1024  # 40 layers x 2 x 8 heads x 128 x 2 bytes
    assert needs.kv_per_sequence == 4096 * needs.kv_per_token
    assert memory(GRANITE, "bf16", 4097).kv_per_sequence == 4112 * needs.kv_per_token  # whole blocks of 16


def test_fewer_bits_take_less_and_quantization_leaves_embeddings_alone():
    sizes = [weight_bytes(GRANITE, dtype) for dtype in ("fp32", "bf16", "int8", "int4")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 2 * sizes[1]
    parts = count(GRANITE)
    assert sizes[2] == parts.linear + 2 * (parts.embedding + parts.vectors)
    assert sizes[3] > parts.linear // 2 + 2 * (parts.embedding + parts.vectors)


def test_gpus_share_weights_and_heads():
    alone, shared = memory(GRANITE, "bf16", 4096), memory(GRANITE, "bf16", 4096, 4)
    assert shared.weights == pytest.approx(alone.weights / 4, rel=0.001)
    assert shared.kv_per_token == alone.kv_per_token // 4
    # More GPUs than key-value heads: each holds one whole head.
    assert memory(GRANITE, "bf16", 4096, 32).kv_per_token == alone.kv_per_token // 8


@pytest.mark.parametrize(
    ("context", "size", "says"),
    [
        (131073, 1, "1 to 131,072 tokens"),
        (0, 1, "1 to 131,072 tokens"),
        (4096, 3, "32 attention heads .* cannot be divided among 3"),
        (4096, 0, "cannot be divided among 0"),
    ],
)
def test_what_the_model_cannot_do_is_one_sentence(context, size, says):
    with pytest.raises(UsageError, match=says):
        memory(GRANITE, "bf16", context, size)


def test_key_value_heads_are_divided_or_repeated_whole():
    odd = GRANITE.model_copy(update={"heads": 24, "kv_heads": 6})
    with pytest.raises(UsageError, match="6 key-value heads"):
        memory(odd, "bf16", 4096, 4)
