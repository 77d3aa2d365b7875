"""Encoders: where they are found, that they are the right ones, and what is said when they are not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vitrina.errors import ArtifactError, UsageError
from vitrina.text import encoders
from vitrina.text.encoders import DEFAULT_ENCODER, load_encoder, load_tokenizer, resolve_encoder


@pytest.fixture(autouse=True)
def _fresh() -> None:
    resolve_encoder.cache_clear()


def test_the_default_encoder_is_found_without_a_network_in_seconds() -> None:
    began = time.perf_counter()
    folder = resolve_encoder(DEFAULT_ENCODER)
    assert (folder / "tokenizer.json").is_file()
    assert time.perf_counter() - began < 5


def test_the_default_tokenizer_masks_padding() -> None:
    tokenizer = load_tokenizer(DEFAULT_ENCODER)
    batch = tokenizer(["where is my order", "hola"], padding=True)
    first, second = batch["attention_mask"]
    assert sum(first) == 6  # four words, [CLS] and [SEP]
    assert sum(second) < len(second) == len(first)
    assert batch["input_ids"][1][-1] == tokenizer.pad_token_id


def test_the_default_encoder_puts_similar_messages_close() -> None:
    import torch

    tokenizer, encoder = load_tokenizer(DEFAULT_ENCODER), load_encoder(DEFAULT_ENCODER).eval()
    texts = ["where is my parcel", "track my package", "how do I bake bread"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = encoder(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    pooled = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
    similar, different = pooled[0] @ pooled[1], pooled[0] @ pooled[2]
    assert similar > 0.4 > 0.2 > different


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.setattr(encoders, "_packaged", lambda: tmp_path)
    with pytest.raises(ArtifactError, match="does not hold the published weights"):
        resolve_encoder(DEFAULT_ENCODER)


def test_a_local_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert resolve_encoder(str(tmp_path)) == tmp_path


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config.json"):
        resolve_encoder(str(tmp_path))


def test_a_hub_model_without_a_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"hf download prajjwal1/bert-tiny"):
        resolve_encoder("prajjwal1/bert-tiny")


def test_a_model_in_the_hub_cache_is_found_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "a" * 40
    repository = tmp_path / "models--prajjwal1--bert-tiny"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert resolve_encoder("prajjwal1/bert-tiny") == snapshot


def test_a_name_that_can_be_no_model_is_refused() -> None:
    with pytest.raises(UsageError, match="neither a folder nor an id"):
        resolve_encoder("no such / folder here")
