"""The transformer of the multimodal model on a GPU: fused against naive attention, bf16 against fp32, torch.compile.

A training step (forward and backward) of `multimodal_product`'s fusion layers at the width and heads of its gpu preset.
Each setting differs from the reference (naive attention, fp32, not compiled) or from the fused bf16 step in one thing;
a figure is a ratio of milliseconds or of peak memory, above 1: so much faster, so much smaller. Medians of 20 steps
after 5. Without a CUDA device nothing is measured: the script says so and writes no result.

python benchmarks/attention.py [--batch 64] [--tokens 512] [--layers 12]
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from _results import figure, report
from torch import Tensor

from vitrina.families.multimodal_product import attention
from vitrina.families.multimodal_product.attention import Fusion

WIDTH, HEADS = 1024, 16
WARM, STEPS = 5, 20


@dataclass(frozen=True)
class Setting:
    """One way to run the step."""

    fused: bool = True
    precision: torch.dtype = torch.float32
    compiled: bool = False


SETTINGS = {
    "naive_fp32": Setting(fused=False),
    "fused_fp32": Setting(),
    "naive_bf16": Setting(fused=False, precision=torch.bfloat16),
    "fused_bf16": Setting(precision=torch.bfloat16),
    "fused_bf16_compiled": Setting(precision=torch.bfloat16, compiled=True),
}
RATIOS = {
    "fused_over_naive_fp32": ("naive_fp32", "fused_fp32"),
    "fused_over_naive_bf16": ("naive_bf16", "fused_bf16"),
    "bf16_over_fp32_fused": ("fused_fp32", "fused_bf16"),
    "compiled_over_eager": ("fused_bf16", "fused_bf16_compiled"),
    "all_over_reference": ("naive_fp32", "fused_bf16_compiled"),
}
"""Figure → (what is compared with, what is measured)."""


@dataclass(frozen=True)
class Measured:
    """Milliseconds of a step, and the peak of the device's memory in MB (0 where it is not counted)."""

    milliseconds: float
    megabytes: float


@contextlib.contextmanager
def kernel(fused: bool) -> Iterator[None]:
    """Let the fusion layers use torch's fused attention, or the written-out one."""
    before = attention.attention
    attention.attention = torch.nn.functional.scaled_dot_product_attention if fused else attention.naive_attention
    try:
        yield
    finally:
        attention.attention = before


def measured(setting: Setting, shape: tuple[int, int, int], layers: int, heads: int, device: str) -> Measured:
    """One setting on (batch, tokens, width)."""
    torch.manual_seed(0)
    model: Any = Fusion(shape[2], layers, heads, 0.0).to(device).train()
    x = torch.randn(shape, device=device)
    mask = torch.ones(shape[:2], dtype=torch.bool, device=device)
    positions = torch.arange(shape[1], device=device)
    cuda = device == "cuda"
    with kernel(setting.fused):
        run = torch.compile(model) if setting.compiled else model
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        times = [timed(lambda: step(run, setting, x, mask, positions), cuda) for _ in range(WARM + STEPS)]
    memory = torch.cuda.max_memory_allocated() / 2**20 if cuda else 0.0
    return Measured(statistics.median(times[WARM:]), memory)


def step(model: Any, setting: Setting, x: Tensor, mask: Tensor, positions: Tensor) -> None:
    """Forward and backward."""
    with torch.autocast(x.device.type, setting.precision, enabled=setting.precision != torch.float32):
        loss = model(x, mask, positions).float().square().mean()
    loss.backward()
    model.zero_grad(set_to_none=True)


def timed(run: Callable[[], None], cuda: bool) -> float:
    """Milliseconds, the device's work included."""
    began = time.perf_counter()
    run()
    if cuda:
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - began)


def figures_of(found: dict[str, Measured]) -> list[dict[str, Any]]:
    """Ratios of speed and memory, then what they were made of."""
    figures = []
    for name, (old, new) in RATIOS.items():
        before, after = found[old], found[new]
        figures.append(figure(f"speed_{name}", before.milliseconds / after.milliseconds, "x", "higher"))
        if after.megabytes:
            figures.append(figure(f"memory_{name}", before.megabytes / after.megabytes, "x", "higher"))
    for name, each in found.items():
        figures.append(figure(f"{name}_step", each.milliseconds, "ms", "lower"))
        figures.append(figure(f"{name}_memory", each.megabytes, "MB", "lower"))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--layers", type=int, default=12)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no CUDA device here: the attention of a GPU was not measured.")
        return
    torch.backends.cuda.matmul.allow_tf32 = False  # fp32 means fp32
    started = time.perf_counter()
    shape = (options.batch, options.tokens, WIDTH)
    found = {name: measured(each, shape, options.layers, HEADS, "cuda") for name, each in SETTINGS.items()}
    report("attention", figures_of(found), time.perf_counter() - started)


if __name__ == "__main__":
    main()
