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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from _results import ROOT, figure, report

from vitrina.jobs import sample
from vitrina.settings import disable_telemetry

COMPILED = ROOT / "pipelines" / "compiled" / "training.yaml"
IMPORT = "from vitrina.jobs import "
CLOCK = (
    "import atexit, os, time; began = time.perf_counter(), sum(os.times()[:4]); atexit.register(lambda: "
    "open(os.environ['OWN_WORK'], 'a').write("
    "f'{time.perf_counter() - began[0]} {sum(os.times()[:4]) - began[1]}\\n')); "
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


@dataclass(frozen=True)
class Run:
    """One run: seconds of the clock and of processors, in all and inside the jobs."""

    tasks: int
    wall: float
    cpu: float
    own_wall: float
    own_cpu: float

    @property
    def overhead(self) -> float:
        return (self.wall - self.own_wall) / self.tasks

    @property
    def cpu_overhead(self) -> float:
        return (self.cpu - self.own_cpu) / self.tasks


def run(pipeline: Path, parameters: dict[str, Any], folder: Path) -> Run:
    """One `python -m pipelines run`, all of it."""
    own = folder / "own_work"
    own.write_text("")
    request = {"pipeline": str(pipeline), "parameters": parameters, "root": str(folder / "runs")}
    environment = os.environ | {"OWN_WORK": str(own), "VITRINA_HOME": str(folder / "home")}
    environment["VITRINA_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    command = [sys.executable, "-m", "pipelines", "run", json.dumps(request)]
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    after = os.times()
    work = [tuple(map(float, line.split())) for line in own.read_text().splitlines()]
    return Run(
        tasks=sum(task["status"] == "succeeded" for task in json.loads(done.stdout)["tasks"]),
        wall=time.perf_counter() - began,
        cpu=after.children_user + after.children_system - before.children_user - before.children_system,
        own_wall=sum(wall for wall, _ in work),
        own_cpu=sum(cpu for _, cpu in work),
    )


def measured(name: str, pipeline: Path, parameters: dict[str, Any], folder: Path, repetitions: int) -> dict[str, Any]:
    """Median and range of the overhead a task; beside it, medians of what it is made of.

    Processor seconds tell how much of it is other programs' load on the machine.
    """
    runs = [run(pipeline, parameters, folder) for _ in range(repetitions)]
    overhead = [each.overhead for each in runs]
    parts = {part: statistics.median(getattr(each, part) for each in runs) for part in ("wall", "own_wall")}
    parts["processor"] = statistics.median(each.cpu_overhead for each in runs)
    median = statistics.median(overhead)
    return figure(name, median, "s", "lower", 1.0, (min(overhead), max(overhead)), tasks=float(runs[0].tasks), **parts)


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
            "overrides": {"training.max_steps": 2},
            "policy": "default: {metrics: {accuracy: {minimum: 0.0}}, champion: {margin: 1.0}}",
        }
        figures = [
            measured("overhead a task, training pipeline", timed, parameters, folder, repetitions),
            measured("overhead a task, empty components", empty_pipeline(folder), {}, folder, repetitions),
        ]
    report("pipeline_overhead", figures, time.perf_counter() - began)


if __name__ == "__main__":
    main()
