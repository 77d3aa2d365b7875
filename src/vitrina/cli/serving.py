"""Commands around serving: package, serve, predict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, show

Model = Annotated[
    str | None, typer.Option(help="Model folder or models:/NAME@ALIAS, models:/NAME/VERSION. Default: the champion.")
]


@app.command()
def package(
    model: Annotated[str, typer.Argument(help="Model folder, registry reference, or a service without a model.")],
    output: Annotated[Path, typer.Option(help="Folder for the bento.")] = Path("bento"),
    as_json: Json = False,
) -> None:
    """Build a bento: service code, model and locked requirements in one folder.

    Example: vitrina package models:/intent_classifier@champion --output build/bento
    """
    from vitrina.jobs.package import package as job

    show(job(model, output), as_json)


@app.command()
def serve(
    family: Annotated[str, typer.Argument(help="Model family, e.g. intent_classifier, or assistant.")],
    model: Model = None,
    port: Annotated[int | None, typer.Option(help="Port; default: VITRINA_SERVE_PORT or 3000.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; each loads the model.")] = 1,
    index: Annotated[
        str | None, typer.Option(help="What the service searches: an index folder, or postgresql://…#schema.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready; stop it by vitrina down.")] = False,
    as_json: Json = False,
) -> None:
    """Serve a model over HTTP with BentoML. On the champion, a promotion switches it without a restart.

    Example: vitrina serve intent_classifier --port 3000 --detach

    Example: vitrina serve product_embedder --index .vitrina/index

    Example: VITRINA_LLM_URL=http://localhost:8000/v1 vitrina serve assistant --detach
    """
    from vitrina.jobs.serve import serve as job

    result = job(family, model=model, port=port, workers=workers, detach=detach, index=index)
    if detach:
        show(result, as_json)


@app.command()
def work(
    family: Annotated[str, typer.Argument(help="A recommender's family, e.g. fashion_recommender.")],
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Answer the requests of a queue (VITRINA_REDIS_URL) until stopped; start as many workers as are needed.

    Example: VITRINA_REDIS_URL=redis://localhost:6379/0 vitrina work fashion_recommender
    """
    from vitrina.jobs.work import work as job

    show(job(family, model=model), as_json)


@app.command()
def predict(
    text: Annotated[list[str] | None, typer.Argument(help="Texts to classify.")] = None,
    model: Annotated[
        str, typer.Option(help="Model folder or registry reference.")
    ] = "models:/intent_classifier@champion",
    file: Annotated[Path | None, typer.Option(help="Classify the rows of a file (CSV, JSON lines, Parquet).")] = None,
    output: Annotated[Path | None, typer.Option(help="Write predictions here (.csv, .jsonl, .parquet).")] = None,
    as_json: Json = False,
) -> None:
    """Predict without a service: texts on the command line, or a whole file.

    Example: vitrina predict "where is my order?" --model build/model
    """
    from vitrina.jobs.predict import predict as job

    show(job(model, texts=list(text or []), file=file, output=output), as_json)
    sys.stdout.flush()
