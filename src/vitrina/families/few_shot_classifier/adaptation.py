"""The inner loop in torch, as it is trained; `head.py` is the same in NumPy, as it is served."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALE = 20.0
"""Where the factor between a cosine and a logit starts."""


class Adaptation(nn.Module):
    r"""A linear head that starts as the classes' prototypes and takes a few gradient steps on the examples.

    $W_0 = $ normalised class means (Proto-MAML, Triantafillou et al., 2020), $b_0 = 0$, logits $= \tau (z W^T + b)$;
    $W_{t+1} = W_t - \alpha_t \odot \nabla_W L$, $b_{t+1} = b_t - \beta_t \nabla_b L$, where $L$ sums over the classes
    the mean cross-entropy of a class's examples. Only the head moves (ANIL, Raghu et al., 2020); the rates are learned
    per feature and step (Meta-SGD, Li et al., 2017). `order` second: training differentiates through the gradients
    (MAML, Finn et al., 2017); first: it takes them as constants; prototype: no steps (Snell et al., 2017).
    """

    def __init__(self, width: int, order: str, steps: int, rate: float) -> None:
        super().__init__()
        self.order = order
        self.steps = 0 if order == "prototype" else steps
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))
        self.initial_rate = rate
        # Learned as factors: the optimizer moves a rate by a share of itself, and weight decay moves it to its start.
        self.log_factors = nn.Parameter(torch.zeros(self.steps, width))
        self.log_bias_factors = nn.Parameter(torch.zeros(self.steps))

    @property
    def rates(self) -> Tensor:
        """(steps, width) inner rates of the weights."""
        return self.initial_rate * self.log_factors.exp()

    @property
    def bias_rates(self) -> Tensor:
        """(steps,) inner rates of the biases."""
        return self.initial_rate * self.log_bias_factors.exp()

    def forward(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> tuple[Tensor, Tensor]:
        """Logits of the queries under the adapted head and under the prototypes alone.

        Shapes: support (examples, width), labels (examples,), query (queries, width) → (queries, ways) twice; rows of
        `support` and `query` have unit length.
        """
        prototypes = class_means(support, labels, ways)
        scale = self.log_scale.exp()
        with torch.enable_grad():
            weight, bias = self._adapted(support, labels, prototypes, scale)
        return scale * (query @ weight.T + bias), scale * query @ prototypes.T

    def _adapted(self, support: Tensor, labels: Tensor, prototypes: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        weight = prototypes if prototypes.requires_grad else prototypes.detach().requires_grad_()
        bias = torch.zeros(len(prototypes), device=support.device, requires_grad=True)
        share = 1 / torch.bincount(labels, minlength=len(prototypes))[labels]
        through = self.training and self.order == "second"
        for rate, bias_rate in zip(self.rates, self.bias_rates, strict=True):
            logits = scale * (support @ weight.T + bias)
            loss = (F.cross_entropy(logits, labels, reduction="none") * share).sum()
            steepest, steepest_bias = torch.autograd.grad(loss, (weight, bias), create_graph=through)
            weight = weight - rate * steepest
            bias = bias - bias_rate * steepest_bias
        return weight, bias


def class_means(support: Tensor, labels: Tensor, ways: int) -> Tensor:
    """The prototypes: the mean of each class's rows, scaled to unit length; (ways, width)."""
    member = F.one_hot(labels, ways).to(support.dtype)
    return F.normalize(member.T @ support, dim=1)
