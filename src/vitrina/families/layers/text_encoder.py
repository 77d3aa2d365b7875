"""A pretrained text encoder with mean pooling, as the text families use it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from vitrina.text.encoders import resolve_encoder


class TextEncoder(nn.Module):
    """Texts → one vector each: the mean of the last hidden states; (batch, tokens) int64 → (batch, width)."""

    def __init__(self, config: dict[str, Any]) -> None:
        """`config` is a transformers configuration as a mapping; weights are random until `load`."""
        super().__init__()
        nested = dict(config)
        self.model = AutoModel.from_config(AutoConfig.for_model(nested.pop("model_type"), **nested))

    @property
    def width(self) -> int:
        return int(self.model.config.hidden_size)

    def load(self, encoder: str) -> None:
        """Take the pretrained weights of `encoder`, a hub id or folder."""
        self.model = AutoModel.from_pretrained(resolve_encoder(encoder), config=self.model.config, dtype=torch.float32)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, *, traced: bool = False) -> Tensor:
        """`traced`: written for the ONNX export, with fewer nodes."""
        ready = additive_mask(attention_mask) if traced and self.model.config.model_type == "bert" else attention_mask
        hidden = self.model(input_ids=input_ids, attention_mask=ready).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)


def encoder_config(encoder: str, layers: int = 0) -> dict[str, Any]:
    """The configuration of a pretrained encoder, with only its lowest `layers` (0: all)."""
    from vitrina.errors import UsageError

    config = AutoConfig.from_pretrained(resolve_encoder(encoder))
    if layers > config.num_hidden_layers:
        raise UsageError(f"model.encoder_layers: {encoder} has only {config.num_hidden_layers} layers.")
    config.num_hidden_layers = layers or config.num_hidden_layers
    return config.to_dict()


def freeze(encoder: PreTrainedModel, layers: int) -> None:
    """Leave the embeddings and the lowest `layers` of a BERT-like encoder as pretrained; 0: all of it learns.

    Raises:
        UsageError: when nothing would learn, or the encoder has no such layers.
    """
    from vitrina.errors import UsageError

    if not layers:
        return
    stack = getattr(getattr(encoder, "encoder", encoder), "layer", None)
    if stack is None or layers >= len(stack):
        raise UsageError(f"model.frozen_layers: {layers} leaves no layer of {type(encoder).__name__} that learns.")
    for part in (encoder.embeddings, *stack[:layers]):
        part.requires_grad_(False)


def additive_mask(attention_mask: Tensor) -> Tensor:
    """What is added to attention scores: 0 where a token is, the lowest float elsewhere; (batch, 1, 1, tokens).

    Made here, it is four nodes of the exported graph; made by transformers, about thirty, which a small model feels.
    """
    return (1.0 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
