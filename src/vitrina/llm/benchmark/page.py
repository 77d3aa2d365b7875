"""A benchmark as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

import io
from importlib.resources import files
from typing import Any, NamedTuple

from vitrina.llm.benchmark.measures import Estimate, Level
from vitrina.llm.benchmark.plots import plots
from vitrina.llm.benchmark.sweep import Report

HEADS = (
    "level", "requests", "TTFT, ms", "TTFT p95", "between tokens, ms", "whole answer, ms", "p95",
    "tokens/s a stream", "p5", "tokens/s all", "requests/s", "at once", "good", "goodput/s", "holds",
)  # fmt: skip
ARRIVALS = {
    "concurrent": "streams that ask again at once",
    "constant": "arrivals at constant intervals",
    "poisson": "Poisson arrivals",
}


class Cell(NamedTuple):
    """What a table shows: a value, its interval, whether it is good news."""

    text: str
    small: str = ""
    kind: str = ""


def page(report: Report) -> str:
    """The page; whatever the server or the caller wrote is escaped."""
    from jinja2 import Environment

    source = files("vitrina.llm.benchmark").joinpath("page.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True).from_string(source)
    return template.render(
        report=report,
        arrivals=ARRIVALS[report.load.arrivals],
        heads=HEADS,
        rows=[row(level) for level in report.levels],
        seen=_seen(report.levels),
        plots=[_svg(figure) for figure in plots(report)],
    )


def row(level: Level) -> list[Cell]:
    """A level's line, in the order of `HEADS`; also what the terminal shows."""
    failed = sum(level.errors.values())
    low, high = level.good_interval
    return [
        Cell(level.title),
        Cell(str(level.requests), f"{failed} failed" if failed else ""),
        _cell(level.ttft_ms.get("p50")),
        _cell(level.ttft_ms.get("p95")),
        _cell(level.itl_ms.get("p50")),
        _cell(level.e2e_ms.get("p50")),
        _cell(level.e2e_ms.get("p95")),
        _cell(level.stream_tokens_per_second.get("p50")),
        _cell(level.stream_tokens_per_second.get("p5")),
        Cell(f"{level.tokens_per_second:.3g}"),
        Cell(f"{level.requests_per_second:.3g}"),
        Cell(f"{level.concurrency:.1f}"),
        Cell(f"{level.good:.0%}", f"{low:.0%} – {high:.0%}"),
        Cell(f"{level.goodput:.3g}"),
        Cell("yes" if level.holds else "no", kind="yes" if level.holds else "no"),
    ]


def _cell(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("–")
    return Cell(_number(estimate.value), f"{_number(estimate.low)} – {_number(estimate.high)}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _seen(levels: list[Level]) -> list[list[str]]:
    """Header and rows of what server and GPUs showed; empty where they showed nothing."""
    shown = [
        {**(level.server or {}), **{f"GPU {name}": value for name, value in (level.gpu or {}).items()}}
        for level in levels
    ]
    names = list(dict.fromkeys(name for each in shown for name in each))
    if not names:
        return []
    body = [
        [level.title, *(f"{each[name]:,.4g}" if name in each else "–" for name in names)]
        for level, each in zip(levels, shown, strict=True)
    ]
    return [["level", *(name.replace("_", " ") for name in names)], *body]


def _svg(figure: Any) -> str:
    """The figure as an SVG element; its texts are paths, so that every browser shows them alike."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    text = content.getvalue()
    return text[text.index("<svg") :]
