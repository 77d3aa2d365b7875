"""`vitrina pipeline` and `vitrina schedule`: Kubeflow pipelines, run here or sent to a cluster.

Kubeflow's libraries stay out of this package: `python -m pipelines` does the work, in the project's folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, pairs
from vitrina.errors import UsageError

pipeline = typer.Typer(help="Run, compile and submit Kubeflow pipelines.", no_args_is_help=True)
app.add_typer(pipeline, name="pipeline")

Param = Annotated[
    list[str] | None,
    typer.Option("--param", help="A pipeline parameter, e.g. --param family=intent_classifier (repeatable)."),
]
Host = Annotated[str, typer.Option(envvar="VITRINA_KFP_HOST", help="Address of the Kubeflow Pipelines API.")]
OptionalHost = Annotated[
    str | None, typer.Option(envvar="VITRINA_KFP_HOST", help="Address of the Kubeflow Pipelines API.")
]
Namespace = Annotated[str | None, typer.Option(help="Kubernetes namespace, on a multi-user cluster.")]
TokenFile = Annotated[Path | None, typer.Option(help="File that holds a bearer token for the API.")]
Experiment = Annotated[str, typer.Option(help="The experiment that groups the runs.")]


@pipeline.command()
def run(
    name: Annotated[str, typer.Argument(help="training, retraining, embedding, or a compiled YAML file.")],
    param: Param = None,
    root: Annotated[Path | None, typer.Option(help="Folder for the run's outputs.")] = None,
    as_json: Json = False,
) -> None:
    """Run a pipeline on this machine.

    Example: vitrina pipeline run training --param family=intent_classifier
    --param tables='{"messages": "data/tables/messages.parquet"}' --param preset=smoke
    """
    result = _ask("run", pipeline=name, parameters=pairs(param, "--param"), root=str(root) if root else None)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    _table([(task["name"], task["status"], _seconds(task["seconds"])) for task in result["tasks"]])
    values = [
        (f"{task}.{output}", str(value).removeprefix(f"{result['root']}/"))
        for task, outputs in result["outputs"].items()
        for output, value in outputs.items()
    ]
    _table(values)
    typer.echo(f"{_seconds(result['seconds'])}; outputs and run.log are in {result['root']}")


@pipeline.command()
def compile(
    name: Annotated[
        str | None, typer.Argument(help="training, retraining or embedding; default: all committed files.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="The family whose preset says what training needs.")] = None,
    preset: Annotated[str | None, typer.Option(help="The preset that says it.")] = None,
    image: Annotated[str | None, typer.Option(help="The image of every task.")] = None,
    output: Annotated[Path | None, typer.Option(help="A .yaml file or a folder.")] = None,
    as_json: Json = False,
) -> None:
    """Write the YAML that a Kubeflow cluster takes; the same input gives the same bytes.

    Example: vitrina pipeline compile training --family intent_classifier --preset gpu
    --image registry.example.com/vitrina-python:0.1.0 --output training.yaml
    """
    chosen = {"family": family, "preset": preset, "image": image}
    if not name and any(chosen.values()):
        raise UsageError("--family, --preset and --image go with the name of one pipeline.")
    files = _ask("compile", pipeline=name, output=str(output) if output else None, **chosen)
    _show(files, as_json)


@pipeline.command()
def submit(
    name: Annotated[str, typer.Argument(help="A file of pipelines/compiled without .yaml, or any compiled YAML file.")],
    host: Host,
    param: Param = None,
    experiment: Experiment = "vitrina",
    namespace: Namespace = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Upload a compiled pipeline to a cluster and start a run of it.

    Example: vitrina pipeline submit training.gpu --host http://localhost:8888 --param family=intent_classifier
    --param tables='{"messages": "/data/tables/messages.parquet"}'
    """
    parameters = pairs(param, "--param")
    where = _where(host, namespace, token_file, experiment)
    _show(_ask("submit", pipeline=name, parameters=parameters, **where), as_json)


@app.command()
def schedule(
    names: Annotated[list[str] | None, typer.Argument(help="Schedules of the file; default: all.")] = None,
    file: Annotated[Path | None, typer.Option(help="Default: pipelines/schedules.yaml.")] = None,
    host: OptionalHost = None,
    experiment: Experiment = "vitrina",
    namespace: Namespace = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Check the schedules and, with --host, make them recur on a cluster; an earlier one of the name is replaced.

    Example: vitrina schedule nightly-retraining --host http://localhost:8888
    """
    where = _where(host, namespace, token_file, experiment)
    _show(_ask("schedule", names=names or [], file=str(file) if file else None, **where), as_json)


def _where(host: str | None, namespace: str | None, token_file: Path | None, experiment: str) -> dict[str, Any]:
    token = str(token_file) if token_file else None
    return {"host": host, "namespace": namespace, "token_file": token, "experiment": experiment}


def _ask(command: str, **request: Any) -> Any:
    """The answer of `python -m pipelines`; its progress and its errors go to stderr as they come.

    Raises:
        UsageError: when the working folder is not a Vitrina project.
    """
    if not Path("pipelines/__main__.py").is_file():
        raise UsageError("There is no pipelines/ folder here: run this in the project's folder.")
    asked = [sys.executable, "-m", "pipelines", command, json.dumps(request)]
    answered = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=False)
    if answered.returncode:
        raise typer.Exit(answered.returncode)
    return json.loads(answered.stdout)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    flat: list[tuple[str, ...]] = []
    for name, value in result.items():
        inner = value if isinstance(value, dict) else {"": value}
        flat += [(f"{name} {key}".strip(), str(content)) for key, content in inner.items()]
    _table(flat)


def _table(rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in rows[0] if rows else ():
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
