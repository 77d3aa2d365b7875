"""Writes docs/results.md from benchmarks/results/*.json, so that the page says what was measured and nothing else.

python benchmarks/page.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from _results import ROOT, missed

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
HEAD = """# Results

Every number on this page was written by a script in `benchmarks/`; `python benchmarks/page.py` makes the page from
`benchmarks/results/*.json`. Intervals are 95%. A figure that misses its target says so. Timings are from shared
machines: compare what stands side by side in one run, not across runs. `intents` evaluates models it finds in its
`--models` folder, so commit and time are those of the evaluation; where they came from is in
[decision 9](adr/0009-the-students-recipe.md).
"""


def page(results: list[dict[str, Any]]) -> str:
    """The page of these results, in their order."""
    return "\n".join([HEAD, *(section(result) for result in results)])


def section(result: dict[str, Any]) -> str:
    """One benchmark: where it ran, and a table of its figures."""
    machine = result["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gb']:g} GB" + (
        f", {machine['gpu']}" if machine["gpu"] else ""
    )
    lines = [
        f"## {result['benchmark']}",
        "",
        f"`{result['command']}` at commit `{result['commit']}` on {result['date'][:10]}: {where}; "
        f"{result['seconds'] / 60:.1f} minutes.",
        "",
        "| figure | value | 95% interval | target | measured beside it |",
        "| --- | --- | --- | --- | --- |",
        *(row(figure) for figure in result["figures"]),
    ]
    return "\n".join([*lines, ""])


def row(figure: dict[str, Any]) -> str:
    """One figure as a table row."""
    sign = "≥" if figure["better"] == "higher" else "≤"
    target = "" if figure["target"] is None else f"{sign} {figure['target']:g}{' **missed**' if missed(figure) else ''}"
    interval = "" if not figure["interval"] else " to ".join(f"{bound:.4g}" for bound in figure["interval"])
    baselines = ", ".join(f"{name} {value:.4g}" for name, value in figure["baselines"].items())
    value = f"{figure['value']:.4g} {figure['unit']}".strip()
    return f"| {figure['name']} | {value} | {interval} | {target} | {baselines} |"


def read_results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Every result, by benchmark name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


if __name__ == "__main__":
    PAGE.write_text(page(read_results()), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
