"""One loss per head, and their sum weighted by learned uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrina.families.layers.product_heads.heads import Head


def head_loss(logits: Tensor, targets: Tensor, head: Head, smoothing: float = 0.0) -> Tensor | None:
    """Mean loss of one head over the rows whose label is known; None where no row's is.

    Args:
        logits: (rows, head.width) float32.
        targets: (rows, head.targets) float32, NaN is unknown.
        smoothing: probability mass that goes to the other labels (Szegedy et al., 2016).
    """
    known = ~torch.isnan(targets[:, 0])
    if not known.any():
        return None
    logits, targets = logits[known], targets[known]
    if head.kind == "one":
        return F.cross_entropy(logits, targets[:, 0].long(), label_smoothing=smoothing)
    if head.kind == "number":
        return F.smooth_l1_loss(logits, targets)
    if head.kind == "ordinal":
        steps = torch.arange(head.width, device=logits.device)
        targets = (targets > steps).to(logits.dtype)  # label k stands above the steps 0 … k-1
    if head.kind != "share":
        targets = targets * (1 - smoothing) + 0.5 * smoothing
    return F.binary_cross_entropy_with_logits(logits, targets)


def weighted(
    logits: Tensor, labels: Tensor, heads: Sequence[Head], log_variance: Tensor, smoothing: float = 0.0
) -> Tensor:
    r"""$\sum_h e^{-s_h} L_h + s_h / 2$ over the heads that have labelled rows (Kendall et al., 2018).

    Args:
        log_variance: (heads,) the learned $s$: a head whose labels are noise ends with a small weight.
    """
    total = 0.0 * (logits.sum() + log_variance.sum())  # a batch without any label still has a gradient
    for head, s in zip(heads, log_variance, strict=True):
        loss = head_loss(logits[:, head.columns], labels[:, head.target_columns], head, smoothing)
        if loss is not None:
            total = total + torch.exp(-s) * loss + 0.5 * s
    return total
