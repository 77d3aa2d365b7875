"""Commands that watch a served model: drift, feedback, label."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, show
from vitrina.errors import UsageError, VitrinaError

if TYPE_CHECKING:
    from vitrina.jobs.drift import DriftResult

Model = Annotated[str, typer.Argument(help="A model folder, models:/<name>@champion or models:/<name>/<version>.")]
Predictions = Annotated[Path, typer.Option(help="Folder of the prediction log.")]
Since = Annotated[str | None, typer.Option(help="Start: an ISO 8601 moment, or an age such as 24h or 7d.")]
Until = Annotated[str | None, typer.Option(help="End, likewise; default: now.")]

label_app = typer.Typer(name="label", help="Choose messages worth a label, and take labels back.", no_args_is_help=True)
app.add_typer(label_app)


@app.command()
def drift(
    model: Model,
    predictions: Predictions,
    output: Annotated[Path, typer.Option(help="Folder for the decision, the report and the gauges.")],
    since: Since = None,
    until: Until = None,
    minimum_rows: Annotated[int, typer.Option(min=2, help="With fewer rows nothing is tested.")] = 200,
    version: Annotated[str | None, typer.Option(help="Compare only this version's answers.")] = None,
    policy: Annotated[Path | None, typer.Option(help="YAML of the retraining triggers.")] = None,
    watch: Annotated[float | None, typer.Option(min=1, help="Repeat every so many seconds until interrupted.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="With --watch: serve the gauges on this port.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare logged predictions with the model's reference and decide whether to retrain.

    Example: vitrina drift models:/intent_classifier@champion --predictions logs --output reports/drift --since 24h
    """
    from vitrina.jobs import drift as job

    check = partial(
        job,
        model,
        predictions,
        output,
        since=since,
        until=until,
        minimum_rows=minimum_rows,
        version=version,
        policy=policy,
    )
    if watch is None and metrics_port is not None:
        raise UsageError("--metrics-port needs --watch: a single check leaves its gauges in drift.prom.")
    if watch is None:
        show(check(), as_json)
    else:
        _watch(check, watch, metrics_port, as_json)


def _watch(check: Callable[[], DriftResult], seconds: float, port: int | None, as_json: bool) -> None:
    """Check again and again. The first failure ends it (a wrong argument); a later one is told and outlived."""
    from vitrina.monitoring.decision import Decision
    from vitrina.monitoring.exporter import Exporter

    exporter = Exporter()
    result = check()
    if port is not None:
        exporter.serve(port)
    while True:
        exporter.update(Decision.model_validate_json(result.decision.read_bytes()))
        show(result, as_json)
        time.sleep(seconds)
        try:
            result = check()
        except VitrinaError as error:
            typer.echo(f"vitrina: {error}", err=True)


@app.command()
def feedback(
    source: Annotated[Path, typer.Argument(help="CSV, JSON lines or Parquet with request_id and label.")],
    predictions: Annotated[Path | None, typer.Option(help="Folder of the prediction log (required).")] = None,
    as_json: Json = False,
) -> None:
    """Join true labels that arrived later to the logged predictions.

    Example: vitrina feedback labels.csv --predictions logs
    """
    from vitrina.jobs import feedback as job

    if predictions is None:
        raise UsageError("Feedback needs --predictions: the folder of the log whose requests the labels are for.")
    show(job(source, predictions), as_json)


@label_app.command("export")
def label_export(
    model: Model,
    predictions: Predictions,
    output: Annotated[Path, typer.Option(help="Folder for tasks.json, label_config.xml and tasks.csv.")],
    count: Annotated[int, typer.Option(min=1, help="How many messages.")] = 200,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Export the most uncertain and most drifted messages for Label Studio or a spreadsheet.

    Example: vitrina label export models:/intent_classifier@champion --predictions logs --output to-label
    """
    from vitrina.jobs import label as job

    show(job(model, predictions, output, count=count, since=since, until=until), as_json)


@label_app.command("import")
def label_import(
    source: Annotated[Path, typer.Argument(help="A labelled file, or the folder of a log with feedback.")],
    output: Annotated[Path, typer.Option(help="The table (Parquet) to write.")],
    table: Annotated[str, typer.Option(help="messages or catalogue: what the labels make rows of.")] = "messages",
    as_json: Json = False,
) -> None:
    """Turn labels that people gave into training rows.

    Example: vitrina label import to-label/tasks.csv --output new-messages.parquet
    """
    from vitrina.jobs import labelled as job

    show(job(source, output, table=table), as_json)


@app.command("kept-events")
def kept_events(
    source: Annotated[Path, typer.Argument(help="The file the services keep: $VITRINA_HOME/histories/live.sqlite.")],
    output: Annotated[Path, typer.Option(help="The table of interactions (Parquet) to write.")],
    as_json: Json = False,
) -> None:
    """Turn the events that recommenders kept since training into training rows.

    Example: vitrina kept-events .vitrina/histories/live.sqlite --output new-interactions.parquet
    """
    from vitrina.jobs import kept_events as job

    show(job(source, output), as_json)
