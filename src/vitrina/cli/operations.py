"""Commands about the whole: demo and doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, Overrides, pairs, typed


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="Your messages (file), or a published set (folder).")] = None,
    families: Annotated[
        str | None, typer.Option(help="Instead of the loop, take these families (comma-separated) to a live service.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Default: demo where a family has it, else base.")] = None,
    overrides: Overrides = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave MLflow and the service running.")] = False,
    seed: int = 7,
) -> None:
    """Run the whole loop: data, training, gates, service, drift, retraining, promotion; or tour other families.

    Example: vitrina demo --data ../shared/data/clinc150 --keep
    Example: vitrina demo --families product_embedder,product_classifier,few_shot_classifier
    """
    from rich.console import Console
    from rich.table import Table

    from vitrina.demo.loop import Demo, Plan
    from vitrina.demo.tour import Guide, Tour
    from vitrina.errors import UsageError
    from vitrina.families import catalog
    from vitrina.settings import load_settings

    if data is not None and not data.exists():
        raise UsageError(f"{data} does not exist.")
    changes = typed(pairs(overrides, "--set"))
    story: Demo | Guide
    if families:
        if data is not None:
            raise UsageError("--families uses the sample store; it does not go with --data.")
        names = tuple(catalog.get(name.strip()).name for name in families.split(","))
        story = Guide(Tour(names, preset, changes, seed=seed, keep=keep), load_settings())
    else:
        story = Demo(Plan(data=data, preset=preset or "demo", overrides=changes, keep=keep, seed=seed), load_settings())
    story.run()
    console = Console()
    wide = Console(width=max(console.width, 120))  # a log file has no width of its own
    table = Table(title="What happened, and where to look", show_header=False, title_justify="left", leading=1)
    table.add_column(ratio=1)
    table.add_column(ratio=2, overflow="fold")
    for name, text in story.table():
        table.add_row(name, text)
    wide.print(table)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check this machine: libraries, devices, text encoder, services, data.

    Example: vitrina doctor
    """
    from vitrina.jobs import doctor as job

    result = job()
    if as_json:
        typer.echo(json.dumps(result.model_dump(), indent=2))
    else:
        for check in result.checks:
            typer.echo(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']:<18} {check['found']}")
    if not all(check["ok"] for check in result.checks):
        raise typer.Exit(1)
