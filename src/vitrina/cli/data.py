"""Commands that make canonical tables: sample, ingest, validate, data fetch, data list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, pairs, show

datasets = typer.Typer(help="Published data sets.", no_args_is_help=True)
app.add_typer(datasets, name="data")

Catalogue = Annotated[Path, typer.Option(help="List of data sets.")]


@app.command()
def sample(
    output: Annotated[Path, typer.Option(help="Folder for the five tables.")] = Path("data/sample"),
    products: int = 1000,
    users: int = 2000,
    interactions: int = 20_000,
    messages: int = 6000,
    seed: int = 7,
    drift: Annotated[bool, typer.Option(help="The same shop later: new wording, intents, prices, tastes.")] = False,
    as_json: Json = False,
) -> None:
    """Generate a sample store: catalogue, photos, interactions, reviews, messages.

    Example: vitrina sample --output data/sample --interactions 100000
    """
    from vitrina.jobs import sample as job

    result = job(
        output,
        products=products,
        users=users,
        interactions=interactions,
        messages=messages,
        seed=seed,
        drift=drift,
    )
    show(result, as_json)


@app.command()
def ingest(
    table: Annotated[str, typer.Argument(help="catalogue, images, interactions, reviews, messages, or feedback.")],
    source: Annotated[Path, typer.Argument(help="CSV, JSON or Parquet file (gzip as well), or a folder.")],
    output: Annotated[Path | None, typer.Option(help="Default: data/tables/TABLE.parquet.")] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=YOURS, or COLUMN==VALUE for all rows (repeatable)."),
    ] = None,
    layout: Annotated[str | None, typer.Option(help="clinc150, banking77, hwu64, snips, photos.")] = None,
    quarantine: Annotated[Path | None, typer.Option(help="File for bad rows, .csv or .parquet.")] = None,
    max_bad: Annotated[float, typer.Option(min=0, max=1, help="Largest share of bad rows accepted.")] = 0.2,
    encoding: Annotated[str, typer.Option(help="Of a text file, e.g. cp1252.")] = "utf-8",
    predictions: Annotated[Path | None, typer.Option(help="For feedback: folder of the prediction log.")] = None,
    as_json: Json = False,
) -> None:
    """Turn a shop's own file, or a published set, into a canonical table.

    Example: vitrina ingest catalogue products.csv --map title=name --map price=cost --map currency==EUR
    """
    if table == "feedback":
        from vitrina.cli.monitoring import feedback

        feedback(source, predictions, as_json)
        return
    from vitrina.jobs import ingest as job

    result = job(
        source,
        table,
        output or Path("data/tables") / f"{table}.parquet",
        mapping=pairs(mapping, "--map"),
        layout=layout,
        quarantine=quarantine,
        max_bad=max_bad,
        encoding=encoding,
    )
    show(result, as_json)


@app.command()
def validate(
    table: Annotated[list[str] | None, typer.Option(help="NAME=FILE of a canonical table (repeatable).")] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file with every broken rule.")] = None,
    as_json: Json = False,
) -> None:
    """Check canonical tables against their contracts; a broken rule exits with 3.

    Example: vitrina validate --table messages=data/tables/messages.parquet
    """
    from vitrina.jobs import validate as job

    show(job({name: Path(path) for name, path in pairs(table, "--table").items()}, report), as_json)


@datasets.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Data set, see `vitrina data list`.")],
    output: Annotated[Path, typer.Option(help="Where fetched sets go.")] = Path("data/fetched"),
    catalogue: Catalogue = Path("data/datasets.yaml"),
    as_json: Json = False,
) -> None:
    """Fetch a published set and verify it; a set under VITRINA_DATA is verified there.

    Example: vitrina data fetch banking77
    """
    from vitrina.data.fetch import fetch as run
    from vitrina.data.fetch import find, read_catalogue
    from vitrina.settings import load_settings

    show(run(find(name, read_catalogue(catalogue)), output, load_settings().data), as_json)


@datasets.command("list")
def list_datasets(catalogue: Catalogue = Path("data/datasets.yaml"), as_json: Json = False) -> None:
    """List the published sets, their licences and the tables they feed.

    Example: vitrina data list --json
    """
    import json

    from vitrina.data.fetch import read_catalogue

    found = read_catalogue(catalogue)
    if as_json:
        typer.echo(json.dumps([dataset.model_dump() for dataset in found], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "feeds", "licence", "title", box=None, pad_edge=False)
    for dataset in found:
        table.add_row(dataset.name, dataset.table or "", dataset.licence, dataset.title)
    Console().print(table)
