"""The inner loop in NumPy: a head for new classes from a few embedded examples, in milliseconds.

The gradients of softmax regression are written out; a test holds them equal to torch's (`adaptation.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vitrina.families.layers.onnx_text import softmax


@dataclass(frozen=True)
class Rates:
    """What training learned about adapting: see `Adaptation`.

    Attributes:
        scale: factor between cosine and logit.
        weight: (steps, width) float32 inner rates of the head; no steps: prototypes.
        bias: (steps,) float32.
        temperature: probabilities are softmax(logits / temperature).
    """

    scale: float
    weight: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Rates:
        """From the `adaptation` section of `labels.json`."""
        weight = np.asarray(content["rates"], dtype=np.float32)
        bias = np.asarray(content["bias_rates"], dtype=np.float32)
        return cls(float(content["scale"]), weight, bias, float(content["temperature"]))

    def dump(self, temperature: float) -> dict[str, Any]:
        """What `read` reads, with the temperature that validation classes ask for."""
        rates = {"rates": self.weight.tolist(), "bias_rates": self.bias.tolist()}
        return {"scale": self.scale, "temperature": temperature, **rates}

    def scaled(self, share: float) -> Rates:
        """The same with every inner rate times `share`; 0: without steps."""
        if share == 0:
            return self.without_steps()
        return replace(self, weight=self.weight * np.float32(share), bias=self.bias * np.float32(share))

    def without_steps(self) -> Rates:
        """The same for prototypes alone, as a prototypical network answers (Snell et al., 2017)."""
        return replace(self, weight=self.weight[:0], bias=self.bias[:0])


@dataclass(frozen=True)
class Head:
    """A linear classifier of unit-length embeddings: weight (ways, width), bias (ways,), both float32."""

    weight: np.ndarray
    bias: np.ndarray
    rates: Rates

    def logits(self, queries: np.ndarray) -> np.ndarray:
        """(queries, width) → (queries, ways), before temperature."""
        return self.rates.scale * (queries @ self.weight.T + self.bias)

    def probabilities(self, queries: np.ndarray) -> np.ndarray:
        """(queries, ways) float64; a row sums to 1."""
        return softmax(self.logits(queries), self.rates.temperature)


def prototypes(support: np.ndarray, labels: np.ndarray, ways: int) -> np.ndarray:
    """The mean of each class's rows, scaled to unit length; (ways, width) float32."""
    member = np.eye(ways, dtype=np.float32)[labels]
    means = member.T @ support
    return means / np.linalg.norm(means, axis=1, keepdims=True).clip(1e-12)


def adapt(support: np.ndarray, labels: np.ndarray, ways: int, rates: Rates) -> Head:
    """The head for the classes of `support` (examples, width), whose rows have unit length.

    Args:
        labels: (examples,) int64 in 0 … ways - 1, every class at least once.
    """
    weight = prototypes(support, labels, ways)
    bias = np.zeros(ways, dtype=np.float32)
    target = np.eye(ways, dtype=np.float32)[labels]
    share = (1 / np.bincount(labels, minlength=ways)[labels]).astype(np.float32)[:, None]
    for rate, bias_rate in zip(rates.weight, rates.bias, strict=True):
        wrong = softmax(rates.scale * (support @ weight.T + bias)).astype(np.float32) - target
        slope = rates.scale * share * wrong
        weight = weight - rate * (slope.T @ support)
        bias = bias - bias_rate * slope.sum(0)
    return Head(weight, bias, rates)
