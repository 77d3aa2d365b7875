"""How commands speak: a short table for people, `--json` for programs, option types shared by commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel

from vitrina.errors import UsageError

R = TypeVar("R", bound=BaseModel)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override one preset key, e.g. --set training.epochs=2 (repeatable)."),
]


def show(result: R, as_json: bool, people: Callable[[R], None] | None = None) -> None:
    """Print a job's result: as JSON, by `people` where a command has a form of its own, else as a table."""
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
        return
    if people is not None:
        people(result)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _flat(result.model_dump(mode="json")):
        table.add_row(name, value)
    Console().print(table)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield f"{prefix}{name}", f"{value:.4g}"
        elif isinstance(value, list):
            yield f"{prefix}{name}", "\n".join(item if isinstance(item, str) else json.dumps(item) for item in value)
        else:
            yield f"{prefix}{name}", "" if value is None else str(value)


@contextmanager
def working() -> Iterator[Callable[[str, int], None]]:
    """Shows on stderr what a job is doing and how many products are done."""
    from rich.console import Console

    with Console(stderr=True).status("Starting ...") as status:
        yield lambda what, rows: status.update(f"{what.capitalize()}: {rows:,} products ...")


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Shows on stderr what a job says it is doing."""
    from rich.console import Console

    with Console(stderr=True).status("Starting ...") as status:
        yield lambda words: status.update(f"{words[:1].upper()}{words[1:]} ...")


def pairs(values: list[str] | None, option: str) -> dict[str, str]:
    """Parse repeated `NAME=VALUE` options.

    Raises:
        UsageError: when one has no `=`.
    """
    parsed: dict[str, str] = {}
    for value in values or []:
        name, equals, rest = value.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} takes NAME=VALUE, got '{value}'.")
        parsed[name] = rest
    return parsed


def typed(values: Mapping[str, str]) -> dict[str, Any]:
    """Read override values as YAML scalars: `2` is an int, `true` a bool, `1e-4` a float."""
    import yaml

    def scalar(text: str) -> Any:
        try:
            return float(text) if "e" in text.lower() and text[0].isdigit() else yaml.safe_load(text)
        except ValueError:
            return text

    return {name: scalar(text) for name, text in values.items()}
