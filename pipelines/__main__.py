"""``python -m pipelines COMMAND REQUEST``: what `vitrina pipeline` calls, in a process of its own.

REQUEST is a JSON object; the answer is JSON on stdout, progress and errors are on stderr.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pipelines.journal import TaskRun
from vitrina.errors import UsageError, VitrinaError
from vitrina.settings import disable_telemetry, load_settings


def run(request: dict[str, Any]) -> Any:
    from pipelines.compiling import load
    from pipelines.local import run as run_locally

    root = Path(request["root"]) if request.get("root") else load_settings().home / "pipelines"
    return run_locally(load(request["pipeline"]), request["parameters"], root, _progress).model_dump(mode="json")


def compile(request: dict[str, Any]) -> Any:
    from pipelines.compiling import COMPILED, Variant, compile_to, variants

    if request.get("pipeline"):
        fields = {name: request[name] for name in ("pipeline", "family", "preset", "image") if request.get(name)}
        chosen = {request["pipeline"]: Variant(**fields)}
    else:
        chosen = variants()
    output = Path(request.get("output") or COMPILED)
    files = {name: output if output.suffix == ".yaml" else output / f"{name}.yaml" for name in chosen}
    for name, variant in chosen.items():
        compile_to(variant, files[name])
    return {name: str(file) for name, file in files.items()}


def submit(request: dict[str, Any]) -> Any:
    from pipelines.compiling import COMPILED

    named = COMPILED / f"{request['pipeline']}.yaml"
    package = named if named.is_file() else Path(request["pipeline"])
    return _cluster(request).submit(package, request["parameters"], request["experiment"]).model_dump()


def schedule(request: dict[str, Any]) -> Any:
    from pipelines.schedules import read_schedules

    schedules = read_schedules(Path(request["file"])) if request.get("file") else read_schedules()
    if unknown := sorted(set(request["names"]) - set(schedules)):
        raise UsageError(f"There is no schedule {', '.join(unknown)}. Known: {', '.join(schedules)}.")
    chosen = {name: schedules[name] for name in request["names"] or schedules}
    if not request.get("host"):
        return {name: found.model_dump() for name, found in chosen.items()}
    cluster = _cluster(request)
    return {name: cluster.schedule(name, found, request["experiment"]).model_dump() for name, found in chosen.items()}


def _cluster(request: dict[str, Any]) -> Any:
    from pipelines.cluster import Cluster

    token = Path(request["token_file"]) if request.get("token_file") else None
    return Cluster(request["host"], request.get("namespace"), token)


def _progress(task: TaskRun) -> None:
    seconds = f" {task.seconds:6.1f} s" if task.status != "running" else ""
    print(f"{task.name:<12} {task.status}{seconds}", file=sys.stderr, flush=True)


COMMANDS = {"run": run, "compile": compile, "submit": submit, "schedule": schedule}


def main(arguments: list[str]) -> int:
    """Exit code: 0, or the one of the error whose sentence was printed."""
    disable_telemetry()
    # Without bytecode the imports of every task take three times as long.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        if len(arguments) != 2 or arguments[0] not in COMMANDS:
            raise UsageError("python -m pipelines is called by `vitrina pipeline`; see `vitrina pipeline --help`.")
        answer = COMMANDS[arguments[0]](json.loads(arguments[1]))
    except VitrinaError as error:
        print(f"vitrina: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
