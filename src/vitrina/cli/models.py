"""Commands that make and measure models: prepare, train, tune, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, Overrides, pairs, show, typed

Family = Annotated[str, typer.Argument(help="Model family, e.g. intent_classifier.")]
PresetName = Annotated[str, typer.Option(help="Preset of the family, or a YAML file.")]


@app.command()
def prepare(
    family: Family,
    output: Annotated[Path, typer.Option(help="Folder for the splits.")],
    table: Annotated[list[str] | None, typer.Option(help="NAME=FILE of a canonical table (repeatable).")] = None,
    preset: PresetName = "base",
    overrides: Overrides = None,
    seed: int = 7,
    as_json: Json = False,
) -> None:
    """Split validated tables for a family.

    Example: vitrina prepare intent_classifier --table messages=data/tables/messages.parquet --output data/splits
    """
    from vitrina.jobs import prepare as job

    tables = {name: Path(path) for name, path in pairs(table, "--table").items()}
    changes = typed(pairs(overrides, "--set"))
    show(job(family, tables, output, preset=preset, overrides=changes, seed=seed), as_json)


@app.command()
def train(
    family: Family,
    data: Annotated[Path, typer.Option(help="Prepared folder.")],
    output: Annotated[Path, typer.Option(help="Model folder to write.")],
    preset: PresetName = "base",
    overrides: Overrides = None,
    teacher: Annotated[str | None, typer.Option(help="Model to distil: a folder or models:/…")] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Checkpoint folder; an interrupted run resumes.")] = None,
    as_json: Json = False,
) -> None:
    """Train, export and quantize a model.

    Example: vitrina train intent_classifier --data data/splits --output models/intents --preset fast
    """
    from vitrina.jobs import train as job

    changes = typed(pairs(overrides, "--set"))
    result = job(family, data, output, preset=preset, overrides=changes, teacher=teacher, checkpoints=checkpoints)
    show(result, as_json)


@app.command()
def evaluate(
    family: Family,
    model: Annotated[str, typer.Option(help="Model folder, or models:/<name>@champion.")],
    data: Annotated[Path, typer.Option(help="Prepared folder, or a file with labelled rows.")],
    output: Annotated[Path, typer.Option(help="Folder for metrics and row scores.")] = Path(".vitrina/evaluation"),
    split: str = "test",
    weights: Annotated[str | None, typer.Option(help="ONNX file to run, e.g. model.onnx.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a model on held-out rows.

    Example: vitrina evaluate intent_classifier --model models/intents --data messages.csv --json
    """
    from vitrina.jobs import evaluate as job

    show(job(model, data, output, split=split, family=family, weights=weights), as_json)


@app.command()
def tune(
    family: Family,
    data: Annotated[Path, typer.Option(help="Prepared folder.")],
    output: Annotated[Path, typer.Option(help="Folder for the study, trials.csv and best.yaml.")],
    search: Annotated[list[str], typer.Option(help="KEY=RANGE, e.g. training.learning_rate=loguniform(1e-5,1e-3).")],
    preset: PresetName = "base",
    overrides: Overrides = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials in all; an interrupted search goes on.")] = 20,
    teacher: Annotated[str | None, typer.Option(help="Model to distil: a folder or models:/…")] = None,
    as_json: Json = False,
) -> None:
    """Search preset keys for the best validation metric.

    Example: vitrina tune intent_classifier --data data/splits --output runs/tuning
    --search "training.learning_rate=loguniform(1e-5,1e-3)" --search "model.dropout=uniform(0,0.3)"
    """
    from vitrina.jobs import tune as job

    changes = typed(pairs(overrides, "--set"))
    ranges = pairs(search, "--search")
    show(job(family, data, output, ranges, preset=preset, overrides=changes, trials=trials, teacher=teacher), as_json)
