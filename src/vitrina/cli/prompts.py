"""Commands of the assistant's prompts: versions in the registry, evaluation, comparison on live traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, show, telling

if TYPE_CHECKING:
    from vitrina.jobs.evaluate_prompts import EvaluatePromptsResult
    from vitrina.jobs.prompts import PromptsResult

prompts_app = typer.Typer(
    name="prompts", help="The assistant's prompts: versions, evaluation, comparison.", no_args_is_help=True
)
app.add_typer(prompts_app)

TaskName = Annotated[str, typer.Argument(metavar="TASK", help="describe, recommend, market_analysis or reply.")]


@prompts_app.command()
def register(
    task: TaskName,
    file: Annotated[
        Path | None, typer.Argument(help="YAML with system, user, sampling, note; default: the built-in prompt.")
    ] = None,
    note: Annotated[str, typer.Option(help="What is different about this version.")] = "",
    as_json: Json = False,
) -> None:
    """Register a version of a task's prompt; an equal one is not registered twice.

    Example: vitrina prompts register describe my-describe.yaml --note "shorter sentences"
    """
    from vitrina.jobs import register_prompt as job

    show(job(task, file, note=note), as_json)


@prompts_app.command("list")
def list_(
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="One task only.")] = None, as_json: Json = False
) -> None:
    """List the versions with their aliases.

    Example: vitrina prompts list describe
    """
    from vitrina.jobs import list_prompts as job

    result = job(task)
    show(result, as_json, _show_versions)


@prompts_app.command()
def promote(
    task: TaskName,
    version: Annotated[str, typer.Argument(help="Version number; with --candidate also `none`.")],
    candidate: Annotated[
        bool, typer.Option("--candidate", help="A share of the users gets it; production stays.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a version into production, or make it the candidate.

    Example: vitrina prompts promote describe 3 --candidate
    """
    from vitrina.jobs import promote_prompt as job

    show(job(task, version, candidate=candidate), as_json)


@prompts_app.command()
def rollback(task: TaskName, as_json: Json = False) -> None:
    """Restore what the production version replaced, in the end the built-in prompt.

    Example: vitrina prompts rollback describe
    """
    from vitrina.jobs import rollback_prompt as job

    show(job(task), as_json)


@prompts_app.command()
def evaluate(
    task: TaskName,
    prompt: Annotated[
        list[str] | None,
        typer.Option(help="Version, alias, built-in or YAML file (repeatable); default: production."),
    ] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Parquet whose products are to be described.")] = None,
    inputs: Annotated[Path | None, typer.Option(help="JSON lines with the task's inputs.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Cases at most.")] = 50,
    examples: Annotated[int, typer.Option(min=0, help="Few-shot examples from the catalogue for each case.")] = 0,
    output: Annotated[Path | None, typer.Option(help="JSON with every answer and what was found.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Questions at once.")] = 4,
    url: Annotated[str | None, typer.Option(envvar="VITRINA_LLM_URL", help="Server with OpenAI's API.")] = None,
    model: Annotated[str | None, typer.Option(envvar="VITRINA_LLM_MODEL", help="Default: the first it lists.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a language model with prompts and check every answer. Its key: VITRINA_LLM_KEY.

    Example: vitrina prompts evaluate describe --catalogue data/catalogue.parquet --prompt production --prompt 3
    """
    from vitrina.errors import UsageError
    from vitrina.jobs import evaluate_prompts as job
    from vitrina.llm.endpoint import Endpoint
    from vitrina.settings import load_settings

    if url is None:
        raise UsageError("Say where the language model is: --url, or VITRINA_LLM_URL.")
    endpoint = Endpoint(url=url, model=model, key=load_settings().llm_key)
    with telling() as tell:
        result = job(
            task,
            endpoint,
            prompt or ("production",),
            catalogue=catalogue,
            inputs=inputs,
            count=count,
            examples=examples,
            output=output,
            concurrency=concurrency,
            tell=tell,
        )
    show(result, as_json, _show_quality)


@prompts_app.command()
def compare(
    task: TaskName,
    predictions: Annotated[Path, typer.Option(help="The assistant's prediction log.")],
    metric: Annotated[str, typer.Option(help="acceptable, at_once or liked (feedback `accepted`).")] = "acceptable",
    production: Annotated[str | None, typer.Option(help="Version; default: the one in production.")] = None,
    candidate: Annotated[str | None, typer.Option(help="Version; default: the candidate.")] = None,
    since: Annotated[str | None, typer.Option(help="ISO moment, or an age such as 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO moment, or an age.")] = None,
    minimum: Annotated[int, typer.Option(min=2, help="Users of each version before anything is said.")] = 100,
    as_json: Json = False,
) -> None:
    """Say whether the candidate is better on live traffic; look as often as you like, the p-value allows for it.

    Example: vitrina prompts compare describe --predictions .vitrina/predictions/assistant --since 7d
    """
    from vitrina.jobs import compare_prompts as job

    result = job(
        task,
        predictions,
        metric=metric,
        production=production,
        candidate=candidate,
        since=since,
        until=until,
        minimum=minimum,
    )
    show(result, as_json, lambda found: typer.echo(found.sentence))


def _show_versions(result: PromptsResult) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "version", "aliases", "note", "created", box=None, pad_edge=False)
    for line in result.prompts:
        table.add_row(line.task, line.version, ", ".join(line.aliases), line.note, line.created)
    Console().print(table)


def _show_quality(result: EvaluatePromptsResult) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"{result.task}: {result.cases} cases, {result.model}", highlight=False, soft_wrap=True)
    table = Table("", *(found["prompt"] for found in result.prompts), box=None, pad_edge=False)
    for name in ("valid", "at_once", "acceptable"):
        table.add_row(name, *(_share(found[name]) for found in result.prompts))
    for kind in dict.fromkeys(kind for found in result.prompts for kind in found["findings"]):
        table.add_row(f"finding: {kind}", *(_share(found["findings"].get(kind)) for found in result.prompts))
    for name in ("coverage", "words", "seconds", "tokens"):
        values = (found[name] for found in result.prompts)
        table.add_row(name, *("" if value is None else f"{value:.3g}" for value in values))
    console.print(table)
    if result.verdict:
        console.print(result.verdict, highlight=False, soft_wrap=True)


def _share(share: tuple[float, float, float] | None) -> str:
    return "0%" if share is None else f"{share[0]:.0%} ({share[1]:.0%}–{share[2]:.0%})"
