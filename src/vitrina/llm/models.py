"""What a language model's `config.json` says about its size: from a folder, the built-in facts, or the hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitrina.errors import UsageError
from vitrina.hub import hub_folder

Architecture = Literal["granite", "llama", "mistral", "qwen2", "gpt2"]


class ModelFacts(BaseModel):
    """The sizes of a decoder-only transformer.

    Attributes:
        max_context: tokens of prompt and answer together.
        tied: the output head is the input embedding.
        sliding_window: tokens that a layer with a window looks back on; `sliding_layers` have one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    architecture: Architecture
    hidden_size: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    max_context: int = Field(gt=0)
    tied: bool
    attention_bias: bool = False
    mlp_bias: bool = False
    sliding_window: int | None = Field(default=None, gt=1)
    sliding_layers: int = 0


def resolve_model(name: str) -> ModelFacts:
    """The facts of a model.

    Args:
        name: a folder with a config.json, the file itself, a built-in model (its hub id, or the part after the slash
            with or without `-instruct`), or any hub id.

    Raises:
        UsageError: when there is no such model, its architecture is not known, or the hub cannot be reached.
    """
    path = Path(name).expanduser()
    if path.is_dir() or path.suffix == ".json":
        return facts_of(_read(path / "config.json" if path.is_dir() else path), name)
    known = _short_names()
    if _short(name) in known and ("/" not in name or name.lower() == known[_short(name)].lower()):
        hub_id = known[_short(name)]
        return facts_of(built_in()[hub_id], hub_id)
    if "/" not in name:
        near = get_close_matches(_short(name), known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"built in are {', '.join(known)}."
        raise UsageError(f"'{name}' is neither a folder, a built-in model nor a hub id such as org/name; {hint}")
    folder = hub_folder(name, ["config.json"], f", or one of {', '.join(known)}")
    return facts_of(_read(folder / "config.json"), name)


def facts_of(config: Mapping[str, Any], name: str) -> ModelFacts:
    """The facts in a configuration of transformers.

    Raises:
        UsageError: an architecture without a formula here, or sizes that are missing or make no sense.
    """
    architecture = config.get("model_type")
    if architecture not in get_args(Architecture):
        known = ", ".join(get_args(Architecture))
        raise UsageError(f"{name} is of architecture '{architecture}'; the planner knows {known}.")
    try:
        values = _gpt2(config) if architecture == "gpt2" else _llama_like(config)
        return ModelFacts(name=name, architecture=cast(Architecture, architecture), **values)
    except KeyError as error:
        raise UsageError(f"The configuration of {name} does not state {error.args[0]}.") from error
    except (ValidationError, TypeError, ZeroDivisionError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else None
        what = f"{detail['loc'][0]}: {detail['msg']}" if detail else str(error)
        raise UsageError(f"The configuration of {name} has sizes that make no sense ({what}).") from error


@cache
def built_in() -> dict[str, dict[str, Any]]:
    """Hub id → the published configuration, as far as it concerns size."""
    return json.loads(files("vitrina.llm").joinpath("models.json").read_text(encoding="utf-8"))


def _llama_like(config: Mapping[str, Any]) -> dict[str, Any]:
    """Granite, Llama, Mistral, Qwen2: the same names of sizes, other biases and windows."""
    heads, layers, architecture = config["num_attention_heads"], config["num_hidden_layers"], config["model_type"]
    window, sliding = config.get("sliding_window"), 0
    if architecture == "mistral" and window is not None:
        sliding = layers
    elif architecture == "qwen2" and config.get("use_sliding_window") and window is not None:
        sliding = max(layers - config.get("max_window_layers", layers), 0)
    takes_bias = architecture in ("llama", "granite")
    return {
        "hidden_size": config["hidden_size"],
        "intermediate_size": config["intermediate_size"],
        "layers": layers,
        "heads": heads,
        "kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
        "vocab_size": config["vocab_size"],
        "max_context": config["max_position_embeddings"],
        "tied": config.get("tie_word_embeddings", False),
        "attention_bias": takes_bias and config.get("attention_bias", False),
        "mlp_bias": takes_bias and config.get("mlp_bias", False),
        "sliding_window": window if sliding else None,
        "sliding_layers": sliding,
    }


def _gpt2(config: Mapping[str, Any]) -> dict[str, Any]:
    hidden, heads = config["n_embd"], config["n_head"]
    return {
        "hidden_size": hidden,
        "intermediate_size": config.get("n_inner") or 4 * hidden,
        "layers": config["n_layer"],
        "heads": heads,
        "kv_heads": heads,
        "head_dim": hidden // heads,
        "vocab_size": config["vocab_size"],
        "max_context": config["n_positions"],
        "tied": config.get("tie_word_embeddings", True),
    }


def _short(name: str) -> str:
    return name.rpartition("/")[2].lower().replace("-instruct", "")


@cache
def _short_names() -> dict[str, str]:
    return {_short(name): name for name in built_in()}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"{path} does not exist; a model folder has a config.json.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is not a model's configuration.")
    return content
