"""The tiny Granite: the real architecture and tokens, answers of the right form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitrina.errors import UsageError
from vitrina.llm.rehearsal import PROMPTS, build

DATA = '<data>\n{"title": "Elegant black steel sunglasses by Cierzo", "brand": "Cierzo", "price": 63.95}\n</data>'


def _answers(folder: Path, form: str, language: str) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": f"{prompt.format(form=form)}\n{DATA}"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        for prompt in PROMPTS[language]
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        rows = [
            model.generate(**prompt, temperature=0.7, top_p=0.9, max_new_tokens=150)[0, prompt.input_ids.shape[1] :]
            for prompt in prompts
            for _ in range(3)
        ]
    return [tokenizer.decode(row, skip_special_tokens=True) for row in rows]


def _is_description(answer: str) -> bool:
    try:
        return set(json.loads(answer)) == {"title", "description"}
    except ValueError:
        return False


def test_it_is_a_granite_with_grouped_heads_and_granites_tokens(tiny_granite: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GraniteForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_granite)
    tokenizer = AutoTokenizer.from_pretrained(tiny_granite)

    assert isinstance(model, GraniteForCausalLM)
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    assert model.config.max_position_embeddings >= 2048
    said = tokenizer.apply_chat_template([{"role": "user", "content": "¿Qué?"}], tokenize=False)
    assert said == "<|start_of_role|>user<|end_of_role|>¿Qué?<|end_of_text|>\n"
    assert tokenizer.decode(tokenizer("日本 ñandú 🎧").input_ids) == "日本 ñandú 🎧"


@pytest.mark.parametrize("language", ["en", "es"])
def test_most_answers_are_json_where_json_is_asked_for(tiny_granite: Path, language: str) -> None:
    answers = _answers(tiny_granite, "JSON", language)

    assert sum(map(_is_description, answers)) >= 0.7 * len(answers), answers


@pytest.mark.parametrize("language", ["en", "es"])
def test_most_answers_are_prose_where_text_is_asked_for(tiny_granite: Path, language: str) -> None:
    answers = _answers(tiny_granite, "text", language)

    assert sum("{" not in answer and answer.endswith(".") for answer in answers) >= 0.7 * len(answers), answers


def test_one_seed_gives_one_model(tmp_path: Path) -> None:
    build(tmp_path / "one", steps=2)
    build(tmp_path / "two", steps=2)
    build(tmp_path / "other", steps=2, seed=8)

    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two", "other")]
    assert weights[0] == weights[1] != weights[2]


def test_a_training_without_steps_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one step"):
        build(tmp_path / "model", steps=0)
    assert not (tmp_path / "model").exists()
