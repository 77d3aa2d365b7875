"""How a benchmark reports: a table on the terminal and `benchmarks/results/<name>.json`."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from vitrina.artifacts import write_json
from vitrina.errors import UsageError
from vitrina.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]


def published() -> Path:
    """The folder of the published data sets: `VITRINA_DATA`.

    Raises:
        UsageError: when it is not set.
    """
    folder = load_settings().data
    if folder is None:
        raise UsageError("Set VITRINA_DATA to the folder of the published data sets.")
    return folder


def figure(
    name: str,
    value: float,
    unit: str,
    better: str,
    target: float | None = None,
    interval: Sequence[float] | None = None,
    **baselines: float,
) -> dict[str, Any]:
    """One measured figure; `better` is `higher` or `lower`, `interval` its 95% interval."""
    return {
        "name": name,
        "value": float(value),
        "unit": unit,
        "better": better,
        "target": target if target is None else float(target),
        "interval": [float(bound) for bound in interval] if interval is not None else None,
        "baselines": {name: float(each) for name, each in baselines.items()},
    }


def report(benchmark: str, figures: list[dict[str, Any]], seconds: float) -> Path:
    """Print the figures and write them with the machine, the command and the commit; returns the file."""
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "interval", "target", "baselines")
    for each in figures:
        table.add_row(
            each["name"],
            f"{each['value']:.4g} {each['unit']}{' (missed)' if missed(each) else ''}",
            " – ".join(f"{bound:.3g}" for bound in each["interval"] or []),
            "" if each["target"] is None else f"{each['target']:g}",
            ", ".join(f"{name} {value:.3g}" for name, value in each["baselines"].items()),
        )
    Console(width=140).print(table)
    path = ROOT / "benchmarks" / "results" / f"{benchmark}.json"
    command = f"python {shlex.join([Path(sys.argv[0]).resolve().relative_to(ROOT).as_posix(), *sys.argv[1:]])}"
    content = {"benchmark": benchmark, "command": command, "commit": _commit(), "machine": machine()}
    write_json(
        path, content | {"date": datetime.now(UTC).isoformat(), "seconds": round(seconds, 1), "figures": figures}
    )
    return path


def missed(each: dict[str, Any]) -> bool:
    """Whether a figure does not reach its target."""
    if each["target"] is None:
        return False
    return each["value"] < each["target"] if each["better"] == "higher" else each["value"] > each["target"]


def machine() -> dict[str, Any]:
    """The processor, the cores this process may use, the memory, the GPU."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "ram_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": _gpu(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpu() -> str | None:
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None


def _commit() -> str:
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"
