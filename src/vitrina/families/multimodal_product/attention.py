"""Transformer layers over tokens of any modality: pre-normalised, rotary positions, fused attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

BASE = 10_000.0
"""Longest wavelength of the rotary positions, in tokens."""

FEW_TOKENS = 128


class RotaryPositions(nn.Module):
    r"""Angles $p \cdot \theta_i$, $\theta_i = 10000^{-2i/d}$, of tokens at positions $p$ (Su et al., 2021).

    (tokens,) int64 → cosine and sine, each (tokens, size of a head).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        frequencies = BASE ** -(torch.arange(0, size, 2).float() / size)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        angles = (positions.float()[:, None] * self.frequencies[None]).repeat(1, 2)
        return angles.cos(), angles.sin()


def rotated(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair of features turned by its token's angle; (batch, heads, tokens, size)."""
    cosine, sine = rotation
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * cosine.to(x.dtype) + turned * sine.to(x.dtype)


def naive_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""$\mathrm{softmax}(q k^T / \sqrt{d}) v$ with all scores held at once: what fused kernels are measured against."""
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1) @ v


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Fused attention (Flash, Dao et al., 2022, where the device has it), but written out for few tokens on a CPU.

    There the fused kernel's backward pass alone takes as long as all matrix products of a layer.
    """
    if q.device.type == "cpu" and q.shape[2] <= FEW_TOKENS:
        return naive_attention(q, k, v, mask)
    return F.scaled_dot_product_attention(q, k, v, mask)


class Layer(nn.Module):
    """Attention, then a gated feed-forward network (SwiGLU, Shazeer, 2020), each on RMS-normalised input and added.

    x (batch, tokens, width), mask bool (batch, 1, 1, tokens), True where a token is; output like x.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        hidden = 8 * width // 3 // 8 * 8  # three matrices with the weights of the usual two
        self.before_attention, self.before_hidden = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.hidden = nn.Linear(width, 2 * hidden, bias=False)
        self.back = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        x = x + self._dropped(self.out(self._attended(self.before_attention(x), mask, rotation)))
        gate, value = self.hidden(self.before_hidden(x)).chunk(2, -1)
        return x + self._dropped(self.back(F.silu(gate) * value))

    def _attended(self, x: Tensor, mask: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = split.unbind(0)
        mixed = attention(rotated(q, rotation), rotated(k, rotation), v, mask)
        return mixed.transpose(1, 2).flatten(2)

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class Fusion(nn.Module):
    """A stack of layers in which every token attends to every other, whatever its modality."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.positions = RotaryPositions(width // heads)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.gradient_checkpointing = False

    def forward(self, x: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """x (batch, tokens, width), mask bool (batch, tokens), positions int64 (tokens,) → like x."""
        rotation = self.positions(positions)
        for layer in self.layers:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(layer, x, mask[:, None, None], rotation, use_reentrant=False)
            else:
                x = layer(x, mask[:, None, None], rotation)
        return self.norm(x)
