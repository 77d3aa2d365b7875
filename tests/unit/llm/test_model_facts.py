"""Where a model's facts come from, and what is refused in one sentence."""

from __future__ import annotations

import json

import pytest

from vitrina.errors import UsageError
from vitrina.llm.models import built_in, facts_of, resolve_model


def config(**changed) -> dict:
    return built_in()["ibm-granite/granite-3.1-8b-instruct"] | changed


def test_a_folder_a_short_name_and_the_hub_id_give_the_same_facts(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config()))
    short, hub = resolve_model("granite-3.1-8b"), resolve_model("ibm-granite/granite-3.1-8b-instruct")
    assert short == hub
    assert resolve_model(str(tmp_path)).model_copy(update={"name": hub.name}) == hub
    assert (hub.kv_heads, hub.head_dim, hub.max_context) == (8, 128, 131072)


def test_every_built_in_model_answers_to_its_short_name():
    for name in built_in():
        assert resolve_model(name.partition("/")[2].lower()).name == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("granite-3.1-9b", "did you mean 'granite-3.1-8b'?"),
        ("nothing", "built in are granite-3.1-8b"),
        ("no/such/thing", "neither a folder nor an id"),
        ("missing/config.json", "does not exist"),
    ],
)
def test_an_unknown_model_is_one_sentence(name, says):
    with pytest.raises(UsageError) as raised:
        resolve_model(name)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a model's configuration"),
        (json.dumps(config(model_type="mamba")), "architecture 'mamba'"),
        (json.dumps({"model_type": "llama"}), "does not state"),
        (json.dumps(config(num_hidden_layers=-1)), "layers: Input should be greater than 0"),
        (json.dumps(config(num_attention_heads=0)), "make no sense"),
        (json.dumps(config(hidden_size="wide")), "make no sense"),
    ],
)
def test_a_broken_configuration_is_one_sentence(tmp_path, content, says):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match=says.replace("'", ".")):
        resolve_model(str(tmp_path))


def test_a_window_counts_only_where_the_model_uses_it():
    qwen = built_in()["Qwen/Qwen2.5-7B-Instruct"] | {"sliding_window": 4096, "max_window_layers": 20}
    assert facts_of(qwen, "q").sliding_layers == 0
    assert facts_of(qwen | {"use_sliding_window": True}, "q").sliding_layers == 8
    mistral = built_in()["mistralai/Mistral-7B-Instruct-v0.3"] | {"sliding_window": 4096}
    assert facts_of(mistral, "m").sliding_layers == 32
    assert facts_of(config(sliding_window=4096), "g").sliding_layers == 0
