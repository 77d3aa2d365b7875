"""T5 as it is exported: one graph for the features, one for each step of a description.

`model.onnx` reads the features and gives what every step needs of them, the keys and values of all cross-attentions.
`decoder.onnx` takes one token a row with the keys and values of the tokens before, and gives the next logits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, T5Config, T5ForConditionalGeneration

from vitrina.errors import UsageError
from vitrina.families.product_describer.configuration import Options
from vitrina.text.encoders import resolve_encoder
from vitrina.training.spec import ExportInputs

HEAD_SIZE = 64
FAR = 128
DECODER = "decoder"


def build(options: Options, tokens: int, pad: int, end: int) -> T5ForConditionalGeneration:
    """A compact T5 from scratch, or a pretrained one whose embeddings grow by the new tokens.

    Raises:
        UsageError: when the pretrained model is no T5.
    """
    if options.encoder is None:
        shape = options.shape
        config = T5Config(
            vocab_size=tokens,
            d_model=shape.width,
            d_kv=HEAD_SIZE,
            num_heads=shape.width // HEAD_SIZE,
            d_ff=shape.feed_forward,
            num_layers=shape.layers,
            num_decoder_layers=shape.layers,
            dropout_rate=options.dropout,
            feed_forward_proj="gated-gelu",
            pad_token_id=pad,
            eos_token_id=end,
            decoder_start_token_id=pad,
        )
        return T5ForConditionalGeneration(config)
    folder = resolve_encoder(options.encoder)
    config = AutoConfig.from_pretrained(folder)
    if config.model_type != "t5":
        raise UsageError(f"model.encoder: {options.encoder} is a {config.model_type}, not a T5.")
    config.dropout_rate = options.dropout
    model = T5ForConditionalGeneration.from_pretrained(folder, config=config, dtype=torch.float32)
    if tokens > config.vocab_size:
        model.resize_token_embeddings(tokens)
    return model


def _heads(states: Tensor, heads: int) -> Tensor:
    """(rows, tokens, heads · size) → (rows, heads, tokens, size)."""
    return states.unflatten(-1, (heads, -1)).transpose(1, 2)


class _Encoder(nn.Module):
    """Features → keys and values of every cross-attention, (rows, 2 · layers, heads, tokens, size), and their mean."""

    def __init__(self, model: T5ForConditionalGeneration) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.attentions = nn.ModuleList(block.layer[1].EncDecAttention for block in model.decoder.block)
        self.heads = model.config.num_heads

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        # Four dimensions: the mask as it is added, which the exporter traces more plainly than transformers' own.
        blocked = (1 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        hidden = self.encoder(input_ids=input_ids, attention_mask=blocked).last_hidden_state
        parts = [_heads(part(hidden), self.heads) for each in self.attentions for part in (each.k, each.v)]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return torch.stack(parts, dim=1), nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


class _Step(nn.Module):
    """One token a row → logits (rows, pieces) and the keys and values of all tokens so far.

    `distance` is int64 (tokens so far,): how far back each of them lies, the last, 0, being the token itself.
    """

    def __init__(self, model: T5ForConditionalGeneration) -> None:
        super().__init__()
        self.embedding, self.blocks = model.decoder.embed_tokens, model.decoder.block
        self.norm, self.head, self.config = model.decoder.final_layer_norm, model.lm_head, model.config
        self.scale = model.config.d_model**-0.5 if getattr(model.config, "scale_decoder_outputs", True) else 1.0
        attention = model.decoder.block[0].layer[0].SelfAttention
        back = -torch.arange(model.config.relative_attention_max_distance + 1)
        buckets = attention._relative_position_bucket(
            back,
            bidirectional=False,
            num_buckets=model.config.relative_attention_num_buckets,
            max_distance=model.config.relative_attention_max_distance,
        )
        self.register_buffer("bias", attention.relative_attention_bias(buckets).detach())  # (distances, heads)

    def forward(
        self, token: Tensor, features: Tensor, attention_mask: Tensor, past: Tensor, distance: Tensor
    ) -> tuple[Tensor, Tensor]:
        bias = self.bias[distance.clamp(max=len(self.bias) - 1)].T[None, :, None, :]
        blocked = (1 - attention_mask[:, None, None, :].float()) * torch.finfo(torch.float32).min
        hidden, kept = self.embedding(token[:, None]), []
        for number, block in enumerate(self.blocks):
            own, cross, feed = block.layer
            normed = own.layer_norm(hidden)
            each = own.SelfAttention
            pair = [_heads(part(normed), self.config.num_heads) for part in (each.k, each.v)]
            keys, values = (torch.cat([past[:, 2 * number + i], new], dim=2) for i, new in enumerate(pair))
            kept += [keys, values]
            hidden = hidden + self._attend(each, normed, keys, values, bias)
            each, normed = cross.EncDecAttention, cross.layer_norm(hidden)
            hidden = hidden + self._attend(each, normed, features[:, 2 * number], features[:, 2 * number + 1], blocked)
            hidden = feed(hidden)
        logits = self.head(self.norm(hidden) * self._scaling())[:, 0]
        return logits, torch.stack(kept, dim=1)

    def _attend(self, attention: Any, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        """T5's attention: its scores are not scaled."""
        scores = _heads(attention.q(hidden), self.config.num_heads) @ keys.transpose(2, 3) + bias
        return attention.o((scores.softmax(-1) @ values).transpose(1, 2).flatten(2))

    def _scaling(self) -> float:
        return self.scale


def export_inputs(folder: Path) -> ExportInputs:
    """The encoder with two example rows, and the decoder as a further graph; see `ModelingModule.export_inputs`."""
    model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    encoder, step = _Encoder(model).eval(), _Step(model).eval()
    ids = torch.randint(3, 200, (2, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        features = encoder(ids, mask)[0]
    past = torch.zeros(features[:, :, :, :3].shape)
    batch = {0: "batch"}
    decoder = ExportInputs(
        model=step,
        inputs={
            "token": ids[:, 0],
            "features": features,
            "attention_mask": mask,
            "past": past,
            "distance": torch.arange(3, -1, -1),
        },
        dynamic={
            "token": batch,
            "features": {0: "batch", 3: "tokens"},
            "attention_mask": {0: "batch", 1: "tokens"},
            "past": {0: "batch", 3: "written"},
            "distance": {0: "positions"},
        },
        outputs=("logits", "present"),
    )
    dynamic = {0: "batch", 1: "tokens"}
    return ExportInputs(
        model=encoder,
        inputs={"input_ids": ids, "attention_mask": mask},
        dynamic={"input_ids": dynamic, "attention_mask": dynamic},
        outputs=("features", "embedding"),
        further={DECODER: decoder},
    )
