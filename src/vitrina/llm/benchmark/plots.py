"""The pictures of a benchmark: latency, speed and throughput over the levels, and how first tokens spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vitrina.llm.benchmark.measures import Estimate, Level
from vitrina.llm.benchmark.sweep import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "p50": "#2f6db3",
    "p90": "#3f9b7b",
    "p95": "#d9822b",
    "p99": "#b3382c",
    "p10": "#3f9b7b",
    "p5": "#d9822b",
    "p1": "#b3382c",
}
PROMISE = "#7a2ea0"
LEGEND: dict[str, Any] = {"loc": "outside lower center", "ncols": 5, "fontsize": 8, "frameon": False}


def plots(report: Report) -> list[Figure]:
    """Four figures: TTFT, whole answers, speed of a stream, throughput and goodput; over the levels that answered."""
    levels = [level for level in report.levels if level.requests]
    label = "requests at once" if report.load.arrivals == "concurrent" else "requests a second offered"
    objective = report.objective
    return [
        _percentiles(levels, "ttft_ms", "Time to the first token, ms", label, objective.ttft_ms),
        _percentiles(levels, "e2e_ms", "Whole answer, ms", label),
        _percentiles(
            levels, "stream_tokens_per_second", "Tokens a second of a stream", label, objective.tokens_per_second
        ),
        _throughput(levels, label),
    ]


def _figure(title: str, label: str, levels: list[Level]) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(label)
    axes.set_xticks(range(len(levels)), [f"{level.level:g}" for level in levels])
    axes.set_xlim(-0.4, len(levels) - 0.6)
    axes.grid(axis="y", color="#e3e8ee")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _percentiles(levels: list[Level], field: str, title: str, label: str, promise: float | None = None) -> Figure:
    """Percentiles over the levels with their intervals, and a line at what was promised."""
    figure, axes = _figure(title, label, levels)
    spreads: list[dict[str, Estimate]] = [getattr(level, field) for level in levels]
    for name in dict.fromkeys(name for spread in spreads for name in spread):
        at = [place for place, spread in enumerate(spreads) if name in spread]
        found = [spreads[place][name] for place in at]
        value = np.array([each.value for each in found])
        reach = np.array([[each.value - each.low for each in found], [each.high - each.value for each in found]])
        axes.errorbar(
            at, value, np.maximum(reach, 0), label=name, color=COLOURS[name], marker="o", ms=4, capsize=3, lw=1.6
        )
    if promise is not None:
        axes.axhline(promise, color=PROMISE, ls="--", lw=1.2, label=f"promised: {promise:g}")
    axes.set_ylim(bottom=0)
    figure.legend(*axes.get_legend_handles_labels(), **LEGEND)
    return figure


def _throughput(levels: list[Level], label: str) -> Figure:
    """Tokens a second of all streams as bars; requests a second, all and good ones, as lines."""
    figure, axes = _figure("Throughput and goodput", label, levels)
    places = list(range(len(levels)))
    axes.bar(
        places, [level.tokens_per_second for level in levels], width=0.5, color="#c9d9ec", label="tokens/s, all streams"
    )
    axes.set_ylabel("tokens/s")
    rates = axes.twinx()
    rates.plot(
        places, [level.requests_per_second for level in levels], color="#2f6db3", marker="o", ms=4, label="requests/s"
    )
    rates.plot(places, [level.goodput for level in levels], color="#1a7f4b", marker="s", ms=4, label="good requests/s")
    rates.set_ylabel("requests/s")
    rates.set_ylim(bottom=0)
    rates.spines["top"].set_visible(False)
    handles, names = axes.get_legend_handles_labels()
    more, others = rates.get_legend_handles_labels()
    figure.legend(handles + more, names + others, **LEGEND)
    return figure
