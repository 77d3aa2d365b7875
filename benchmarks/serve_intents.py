"""Speed of `POST /classify`: Vitrina's services beside an echo without a model and a plain FastAPI + torch service.

All services run at once and are loaded in turn by wrk (32 connections, one thread, real texts of varied length), round
after round, so that noise of the machine falls on all; figures are medians over the rounds. Metrics and prediction log
are on. Without --student and --teacher, untrained models of the same shape are built: speed depends on the shape only.

python benchmarks/serve_intents.py [--student FOLDER] [--teacher FOLDER] [--rounds 3] [--seconds 8]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _models import STUDENT, TEACHER, untrained
from _results import ROOT, figure, report
from _services import Load, Running, bentoml, free_port, launched, load, posts, require_wrk

from vitrina.settings import disable_telemetry, load_settings

CONNECTIONS = 32
SERVICES = Path(__file__).parent / "services"
BENTO = ROOT / "bentos" / "intent_classifier"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", type=Path, help="exported model folder; default: untrained, 2 layers of 128")
    parser.add_argument("--teacher", type=Path, help="exported model folder; default: untrained, 6 layers of 384")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="length of one run of wrk")
    options = parser.parse_args()
    require_wrk()
    disable_telemetry()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        work = Path(temporary)
        texts = real_texts(work)
        student = options.student or untrained(work / "student", texts, STUDENT)
        teacher = options.teacher or untrained(work / "teacher", texts, TEACHER)
        running = {
            name: stack.enter_context(start(name, work, student.resolve(), teacher.resolve())) for name in COMMANDS
        }
        loads = measure(running, script(work, texts), options.rounds, options.seconds)
        memory = {name: service.memory() for name, service in running.items()}
    report("serve_intents", figures(loads, running, memory), time.perf_counter() - started)


COMMANDS: dict[str, dict[str, Any]] = {
    "student": {"folder": BENTO, "service": "service:IntentClassifier"},
    "student_2_workers": {"folder": BENTO, "service": "service:IntentClassifier", "workers": "2"},
    "teacher_int8": {"folder": BENTO, "service": "service:IntentClassifier"},
    "echo": {"folder": SERVICES, "service": "echo:Echo"},
    "lean_echo": {"folder": SERVICES, "service": "echo:LeanEcho"},
    "naive": {},
}


def start(name: str, work: Path, student: Path, teacher: Path) -> contextlib.AbstractContextManager[Running]:
    """One service on a free port, until the block ends."""
    how, model = COMMANDS[name], teacher if name.startswith("teacher") else student
    if not how:
        port = free_port()
        return launched([sys.executable, str(SERVICES / "naive.py"), str(teacher), str(port)], work / name, port)
    settings = {"MODEL": model, "PREDICTIONS": work / name / "log", "WORKERS": how.get("workers", "1")}
    return bentoml(how["folder"], how["service"], work / name, settings)


def real_texts(work: Path) -> list[str]:
    """Customer messages: CLINC150 where VITRINA_DATA holds it, otherwise the sample store's."""
    data = load_settings().data
    if data is not None and (data / "clinc150").is_dir():
        rows = json.loads((data / "clinc150" / "data_full_no_test.json").read_text())["val"]
        return [text for text, _ in rows]
    import pandas as pd

    from vitrina.jobs import sample

    tables = sample(work / "sample", products=100, users=100, interactions=1000, messages=3000).tables
    return list(pd.read_parquet(tables["messages"])["text"])


def script(work: Path, texts: list[str]) -> Path:
    """The Lua script by which wrk posts the texts one after the other, neighbours in no order."""
    mixed = sorted(texts, key=lambda text: hash((len(text), text[::-1])))
    return posts(work, "/classify", [{"text": text} for text in mixed if text.strip()])


def measure(running: dict[str, Running], lua: Path, rounds: int, seconds: int) -> dict[str, list[Load]]:
    """Load the services in turn, `rounds` times; a short run first warms each."""
    for service in running.values():
        load(service.port, lua, 1, CONNECTIONS)
    loads: dict[str, list[Load]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, service in running.items():
            loads[name].append(load(service.port, lua, seconds, CONNECTIONS))
            print(name, loads[name][-1], file=sys.stderr)
    return loads


def figures(
    loads: dict[str, list[Load]], running: dict[str, Running], memory: dict[str, float]
) -> list[dict[str, Any]]:
    """What issue 2 asks of serving, and what else tells how it comes about."""

    def middle(name: str, field: str) -> float:
        return statistics.median(getattr(each, field) for each in loads[name])

    def spread(name: str, field: str) -> list[float]:
        values = [getattr(each, field) for each in loads[name]]
        return [min(values), max(values)]

    rates = {name: middle(name, "rate") for name in loads}
    others = {name: rates[name] for name in ("student_2_workers", "teacher_int8", "echo", "lean_echo", "naive")}
    ours = ("student", "student_2_workers", "teacher_int8")
    errors = sum(each.errors for name in ours for each in loads[name])
    return [
        figure("student_requests", rates["student"], "1/s", "higher", 3500, spread("student", "rate"), **others),
        figure("student_p99", middle("student", "p99"), "ms", "lower", 30, spread("student", "p99")),
        figure("student_median", middle("student", "median"), "ms", "lower"),
        figure("student_2_workers_p99", middle("student_2_workers", "p99"), "ms", "lower"),
        figure("errors", errors, "requests", "lower", 0),
        figure("student_to_echo", rates["student"] / rates["echo"], "ratio", "higher", 0.7),
        figure("student_to_lean_echo", rates["student"] / rates["lean_echo"], "ratio", "higher"),
        figure("student_to_naive_teacher", rates["student"] / rates["naive"], "ratio", "higher", 20),
        figure("teacher_int8_p99", middle("teacher_int8", "p99"), "ms", "lower", 50, spread("teacher_int8", "p99")),
        figure("start_to_ready", running["student"].seconds, "s", "lower", 4, naive=running["naive"].seconds),
        figure("memory", memory["student"], "MB", "lower", 350, **{n: m for n, m in memory.items() if n != "student"}),
    ]


if __name__ == "__main__":
    main()
