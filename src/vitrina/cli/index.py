"""Commands of the catalogue index: build, add, remove, search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, show, working

if TYPE_CHECKING:
    from vitrina.jobs.index_search import IndexSearchResult

index_app = typer.Typer(name="index", help="The catalogue's search index: build, change, search.", no_args_is_help=True)
app.add_typer(index_app)

Index = Annotated[str, typer.Argument(help="Index folder, or postgresql://user@host/database#schema.")]
Catalogue = Annotated[Path, typer.Argument(help="Canonical catalogue, or a folder of embedded shards (.parquet).")]
Images = Annotated[Path | None, typer.Option(help="Canonical images table, for a model that reads photos.")]
MODEL = "Model folder, models:/<name>@champion or models:/<name>/<version>."


@index_app.command()
def build(
    model: Annotated[str, typer.Argument(help=MODEL)],
    catalogue: Catalogue,
    output: Annotated[str, typer.Option(help="Index folder, or postgresql://user@host/database#schema.")],
    images: Images = None,
    as_json: Json = False,
) -> None:
    """Embed a catalogue and index it; an index that is there stays in use until the new one is complete.

    Example: vitrina index build models:/product_embedder@champion data/tables/catalogue.parquet --output .vitrina/index
    """
    from vitrina.jobs import index_build as job

    with working() as progress:
        result = job(model, catalogue, output, images=images, progress=progress)
    show(result, as_json)


@index_app.command()
def add(
    index: Index,
    catalogue: Catalogue,
    model: Annotated[str, typer.Option(help=MODEL)],
    images: Images = None,
    as_json: Json = False,
) -> None:
    """Add products, or replace those whose id is there; all or none.

    Example: vitrina index add .vitrina/index new.parquet --model models:/product_embedder@champion
    """
    from vitrina.jobs import index_add as job

    with working() as progress:
        result = job(index, model, catalogue, images=images, progress=progress)
    show(result, as_json)


@index_app.command()
def remove(
    index: Index,
    ids: Annotated[list[str] | None, typer.Argument(help="Product ids.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with one product id a line.")] = None,
    as_json: Json = False,
) -> None:
    """Remove products; unknown ids are reported.

    Example: vitrina index remove .vitrina/index P100 P101
    """
    from vitrina.errors import UsageError
    from vitrina.jobs import index_remove as job

    if file is not None and not file.is_file():
        raise UsageError(f"{file} does not exist.")
    lines = file.read_text(encoding="utf-8").splitlines() if file is not None else []
    show(job(index, [*(ids or []), *(line.strip() for line in lines if line.strip())]), as_json)


@index_app.command()
def search(
    index: Index,
    query: Annotated[str, typer.Argument(help="What a customer would type; may be left out with --image.")] = "",
    image: Annotated[Path | None, typer.Option(help="A photo of what is looked for.")] = None,
    model: Annotated[str | None, typer.Option(help=f"{MODEL} Without it the search is lexical.")] = None,
    k: Annotated[int, typer.Option(min=1, max=1000, help="Products to show.")] = 10,
    mode: Annotated[str | None, typer.Option(help="vector, lexical or hybrid; default: hybrid with a model.")] = None,
    category: Annotated[str | None, typer.Option(help="Only this category path and those below.")] = None,
    min_price: Annotated[float | None, typer.Option(help="Lowest price.")] = None,
    max_price: Annotated[float | None, typer.Option(help="Highest price.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only prices in this currency, e.g. EUR.")] = None,
    language: Annotated[str | None, typer.Option(help="Only products in this language, e.g. es.")] = None,
    rerank: Annotated[str | None, typer.Option(help=f"Order the first hits anew by this model. {MODEL}")] = None,
    as_json: Json = False,
) -> None:
    """Search the index.

    Example: vitrina index search .vitrina/index "zapatos negros" --model models/embedder --max-price 50
    """
    from typing import cast

    from vitrina.jobs import index_search as job
    from vitrina.search import Filters, Mode

    filters = Filters(category, min_price, max_price, currency, language)
    result = job(
        index, query, model=model, k=k, filters=filters, mode=cast(Mode | None, mode), rerank=rerank, image=image
    )
    show(result, as_json, _show_hits)


def _show_hits(result: IndexSearchResult) -> None:
    from rich.console import Console
    from rich.table import Table

    if not result.hits:
        typer.echo("No product was found.")
        return
    table = Table("score", "product_id", "title", "category", "price", box=None, pad_edge=False)
    for hit in result.hits:
        price = "" if hit["price"] is None else f"{hit['price']:.2f} {hit['currency'] or ''}"
        table.add_row(f"{hit['score']:.3f}", hit["product_id"], hit["title"], hit["category"] or "", price)
    Console().print(table)
