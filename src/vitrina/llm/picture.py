"""A plan as a picture: what fills each GPU, and where its limit is."""

from __future__ import annotations

import io

from vitrina.llm.memory import GIB
from vitrina.llm.planner import GpuPlan, Plan

COLOURS = {"weights": "#4c72b0", "activations": "#dd8452", "overhead": "#8c8c8c", "cache": "#55a868"}


def picture(plan: Plan) -> bytes:
    """PNG: one bar a GPU (weights, activations, overhead, cache of the load), a line at what vLLM may take."""
    from matplotlib.figure import Figure

    shown = [answer for answer in plan.gpus if answer.memory is not None]
    figure = Figure(figsize=(9, 1.6 + 0.5 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for row, answer in enumerate(shown):
        left = 0.0
        for name, size in _parts(answer, plan.load.concurrency).items():
            axes.barh(row, size, left=left, color=COLOURS[name], label=name if row == 0 else None, height=0.6)
            left += size
        budget = answer.budget_bytes / GIB
        axes.plot([budget, budget], [row - 0.4, row + 0.4], color="black", linewidth=2)
        words = f" {answer.largest_concurrency} at once" if answer.fits else f" {answer.why}"
        axes.text(max(left, budget), row, words, va="center", fontsize=8)
    axes.set_yticks(
        range(len(shown)), [f"{answer.tensor_parallel} × {answer.gpu} ({answer.dtype})" for answer in shown]
    )
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_xlabel("GiB on each GPU; black: what vLLM may take")
    load = plan.load
    axes.set_title(f"{plan.model.name}: {load.concurrency} sequences of {load.context:,} tokens", fontsize=10)
    if shown:
        axes.legend(fontsize=8, loc="upper right")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()


def _parts(answer: GpuPlan, concurrency: int) -> dict[str, float]:
    """GiB of each part, in the order it is drawn."""
    assert answer.memory is not None
    needs = answer.memory
    parts = {
        "weights": needs.weights,
        "activations": needs.activations,
        "overhead": needs.overhead,
        "cache": concurrency * needs.kv_per_sequence,
    }
    return {name: size / GIB for name, size in parts.items()}
