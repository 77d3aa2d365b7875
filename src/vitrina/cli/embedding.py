"""`vitrina embed`: a catalogue as vectors, in one go or shard by shard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, show, working


@app.command()
def embed(
    model: Annotated[str, typer.Argument(help="A model that embeds products: a folder or models:/…")],
    catalogue: Annotated[Path, typer.Argument(help="Canonical catalogue (Parquet).")],
    output: Annotated[Path, typer.Option(help="Folder for the parts.")],
    shard: Annotated[int, typer.Option(min=0, help="Which shard to make, counted from 0.")] = 0,
    shards: Annotated[int, typer.Option(min=1, help="Into how many the catalogue is cut.")] = 1,
    as_json: Json = False,
) -> None:
    """Embed a catalogue, or one shard of it; a part that is there already is kept.

    Example: vitrina embed models:/product_embedder@champion data/tables/catalogue.parquet --output embeddings
    """
    from vitrina.jobs import embed as job

    with working() as progress:
        result = job(model, catalogue, output, shard=shard, shards=shards, progress=progress)
    show(result, as_json)
