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
    preset: Annotated[str, typer.Option(help="Preset of the intent classifier.")] = "demo",
    overrides: Overrides = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave MLflow and the service running.")] = False,
    seed: int = 7,
) -> None:
    """Run the whole loop: data, training, gates, service, drift, retraining, promotion.

    Example: vitrina demo --data ../shared/data/clinc150 --keep
    """
    from rich.console import Console
    from rich.table import Table

    from vitrina.demo.loop import Demo, Plan
    from vitrina.errors import UsageError
    from vitrina.settings import load_settings

    if data is not None and not data.exists():
        raise UsageError(f"{data} does not exist.")
    plan = Plan(data=data, preset=preset, overrides=typed(pairs(overrides, "--set")), keep=keep, seed=seed)
    story = Demo(plan, load_settings())
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
