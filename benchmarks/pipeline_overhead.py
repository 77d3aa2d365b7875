"""What a pipeline costs beyond its jobs: (wall time − the jobs' own work) / tasks, of whole runs.

The committed training.yaml is run on the sample store with the smoke preset. Each component notes when its body begins
and when its process ends; all else (orchestration, shell, interpreter, kfp, the runner's own start) is overhead.
A pipeline of empty components shows the same without any job.

python benchmarks/pipeline_overhead.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from _results import ROOT, figure, report

from vitrina.jobs import sample
from vitrina.settings import disable_telemetry

COMPILED = ROOT / "pipelines" / "compiled" / "training.yaml"
IMPORT = "from vitrina.jobs import "
CLOCK = (
    "import atexit, os, time; began = time.perf_counter(); atexit.register(lambda: "
    "open(os.environ['OWN_WORK'], 'a').write(f'{time.perf_counter() - began}\\n')); "
)
EMPTY_TASKS = 10
EMPTY = f"""
from kfp import compiler, dsl
from components._base import component

@component
def empty(value: int) -> int:
    return value

@dsl.pipeline(name="chain")
def pipeline():
    value = 0
    for _ in range({EMPTY_TASKS}):
        value = empty(value=value).output

compiler.Compiler().compile(pipeline, "OUTPUT")
"""


def timed_copy(output: Path) -> None:
    """The compiled pipeline with a clock in every component."""
    pipeline, platform = yaml.safe_load_all(COMPILED.read_text(encoding="utf-8"))
    for executor in pipeline["deploymentSpec"]["executors"].values():
        command = executor["container"]["command"]
        assert command[-1].count(IMPORT) == 1
        command[-1] = command[-1].replace(IMPORT, CLOCK + IMPORT)
    output.write_text(yaml.safe_dump_all([pipeline, platform]), encoding="utf-8")


def empty_pipeline(folder: Path) -> Path:
    """A compiled chain of components that do nothing."""
    output = folder / "empty.yaml"
    script = folder / "empty_pipeline.py"
    script.write_text(EMPTY.replace("OUTPUT", str(output)), encoding="utf-8")
    subprocess.run([sys.executable, script], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    return output


def run(pipeline: Path, parameters: dict[str, Any], folder: Path) -> tuple[float, float, int]:
    """One run: wall seconds, seconds of the jobs' own work, tasks."""
    own = folder / "own_work"
    own.unlink(missing_ok=True)
    request = {"pipeline": str(pipeline), "parameters": parameters, "root": str(folder / "runs")}
    environment = os.environ | {"OWN_WORK": str(own), "VITRINA_HOME": str(folder / "home")}
    environment["VITRINA_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    command = [sys.executable, "-m", "pipelines", "run", json.dumps(request)]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    wall = time.perf_counter() - began
    work = [float(line) for line in own.read_text().split()] if own.exists() else []
    return wall, sum(work), sum(task["status"] == "succeeded" for task in json.loads(done.stdout)["tasks"])


def measured(pipeline: Path, parameters: dict[str, Any], folder: Path, repetitions: int) -> dict[str, Any]:
    """Median and range of the overhead a task, and medians of what it is made of."""
    runs = [run(pipeline, parameters, folder) for _ in range(repetitions)]
    overhead = [(wall - own) / tasks for wall, own, tasks in runs]
    return {
        "value": statistics.median(overhead),
        "interval": (min(overhead), max(overhead)),
        "wall": statistics.median(wall for wall, _, _ in runs),
        "own_work": statistics.median(own for _, own, _ in runs),
        "tasks": float(runs[0][2]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    began = time.perf_counter()
    disable_telemetry()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample(folder / "shop", products=60, users=40, interactions=200, messages=1500)
        timed = folder / "training.yaml"
        timed_copy(timed)
        parameters = {
            "family": "intent_classifier",
            "tables": {"messages": str(folder / "shop" / "messages.parquet")},
            "preset": "smoke",
            "policy": "default: {metrics: {accuracy: {minimum: 0.0}}, champion: {margin: 1.0}}",
        }
        training = measured(timed, parameters, folder, repetitions)
        empty = measured(empty_pipeline(folder), {}, folder, repetitions)
    figures = [
        figure("overhead a task, training pipeline", training.pop("value"), "s", "lower", 1.0, **training),
        figure("overhead a task, empty components", empty.pop("value"), "s", "lower", 1.0, **empty),
    ]
    report("pipeline_overhead", figures, time.perf_counter() - began)


if __name__ == "__main__":
    main()
