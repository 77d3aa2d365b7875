"""Commands around the registry: up, down, status, register, promote, rollback, models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from vitrina.cli import app
from vitrina.cli.output import Json, pairs, show

Name = Annotated[str, typer.Argument(help="Registered model, e.g. intent_classifier.")]


@app.command()
def up(as_json: Json = False) -> None:
    """Start the local MLflow server, or say where it runs.

    Example: VITRINA_MLFLOW_PORT=5050 vitrina up
    """
    from rich.console import Console

    from vitrina.registry.listing import service_line
    from vitrina.registry.tracking import start_server

    with Console(stderr=True).status("Starting the MLflow server (10 to 30 seconds) ..."):
        service = start_server()
    show(service_line(service), as_json)


@app.command()
def down(
    name: Annotated[str | None, typer.Argument(help="One service only, as `vitrina status` names it.")] = None,
    as_json: Json = False,
) -> None:
    """Stop what runs locally: the MLflow server and every detached service.

    Example: vitrina down
    """
    from vitrina.errors import UsageError
    from vitrina.registry import server

    known = [service.name for service in reversed(server.services())]  # the newest may depend on the oldest
    if name is not None and name not in known:
        raise UsageError(f"No service '{name}' is registered here. Registered: {', '.join(known) or 'none'}.")
    stopped = [each for each in known if name in (None, each) and server.stop(each)]
    typer.echo(json.dumps({"stopped": stopped}) if as_json else f"stopped  {', '.join(stopped) or 'nothing ran'}")


@app.command()
def status(as_json: Json = False) -> None:
    """List the local services with address, process and log.

    Example: vitrina status --json
    """
    from vitrina.registry.listing import local_services

    columns = ("name", "state", "url", "pid", "log")
    _show_lines(local_services(), columns, as_json, "No local service runs; `vitrina up` starts the registry.")


@app.command()
def models(name: Annotated[str | None, typer.Argument(help="One model only.")] = None, as_json: Json = False) -> None:
    """List the registered versions with alias and decision.

    Example: vitrina models intent_classifier
    """
    from vitrina.registry.listing import registered_versions

    columns = ("name", "version", "aliases", "decision", "reasons")
    _show_lines(registered_versions(name), columns, as_json, "No model is registered yet.")


def _show_lines(lines: Sequence[BaseModel], columns: Sequence[str], as_json: bool, when_empty: str) -> None:
    """All fields as JSON, or the `columns` as a table."""
    if as_json:
        typer.echo(json.dumps([line.model_dump() for line in lines], indent=2))
        return
    if not lines:
        typer.echo(when_empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in lines:
        values = (getattr(line, column) for column in columns)
        table.add_row(*(", ".join(value) if isinstance(value, list) else str(value) for value in values))
    Console().print(table)


@app.command()
def register(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    evaluation: Annotated[Path, typer.Option(help="Output folder of `vitrina evaluate`.")],
    lineage: Annotated[list[str] | None, typer.Option(help="NAME=VALUE kept as a tag (repeatable).")] = None,
    as_json: Json = False,
) -> None:
    """Register a model folder with its evaluation as a new version.

    Example: vitrina register models/intents --evaluation evaluations/intents --lineage ticket=SHOP-12
    """
    from vitrina.jobs import register as job

    show(job(model, evaluation, lineage=pairs(lineage, "--lineage")), as_json)


@app.command()
def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="Version number.")],
    data: Annotated[Path, typer.Option(help="Prepared folder, or a file with labelled rows, to compare on.")],
    policy: Annotated[Path, typer.Option(help="Gates and champion comparison.")] = Path("mlflow/promotion.yaml"),
    report: Annotated[Path | None, typer.Option(help="Write the whole decision to this JSON file.")] = None,
    as_json: Json = False,
) -> None:
    """Make a version champion if it passes its gates and is not worse than the champion; exit code 6 if not.

    Example: vitrina promote intent_classifier 3 --data data/splits
    """
    from vitrina.errors import GateRejected
    from vitrina.jobs import promote as job

    result = job(name, version, data, policy=policy, report=report)
    show(result, as_json)
    if not result.promoted:
        raise GateRejected(f"Version {version} of {name} was not promoted: {'; '.join(result.reasons)}.")


@app.command()
def rollback(name: Name, as_json: Json = False) -> None:
    """Restore the champion that the present one replaced; repeated, it goes further back.

    Example: vitrina rollback intent_classifier
    """
    from vitrina.jobs import rollback as job

    show(job(name), as_json)
