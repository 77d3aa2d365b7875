"""Commands of large language models: plan the GPUs, write the manifests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, Overrides, pairs, show, typed

if TYPE_CHECKING:
    from vitrina.jobs.llm_plan import LlmPlanResult

llm_app = typer.Typer(
    name="llm", help="The assistant's language model: plan its GPUs, deploy it.", no_args_is_help=True
)
app.add_typer(llm_app)


@llm_app.command()
def plan(
    model: Annotated[str, typer.Argument(help="Folder with a config.json, built-in name (granite-3.1-8b) or hub id.")],
    gpu: Annotated[list[str] | None, typer.Option(help="Only this GPU, e.g. L4 (repeatable); default: all.")] = None,
    dtype: Annotated[str, typer.Option(help="auto (16-bit), fp32, bf16, fp16, fp8, int8 or int4.")] = "auto",
    context: Annotated[int, typer.Option(help="Tokens of prompt and answer together.")] = 4096,
    concurrency: Annotated[int, typer.Option(help="Sequences at once, each at the full context.")] = 1,
    tensor_parallel: Annotated[int | None, typer.Option(help="GPUs a copy; default: the fewest that fit.")] = None,
    utilization: Annotated[float, typer.Option(help="Share of GPU memory that vLLM may take.")] = 0.9,
    served_name: Annotated[str | None, typer.Option(help="Name of the model in the API.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the memory of each GPU to this PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Say which GPUs serve a model, how many sequences at once, how fast at best, and vLLM's arguments.

    Example: vitrina llm plan granite-3.1-8b --context 4096 --concurrency 10
    """
    from vitrina.jobs import llm_plan as job
    from vitrina.llm.planner import Load

    load = Load(
        context=context,
        concurrency=concurrency,
        dtype=dtype,
        tensor_parallel=tensor_parallel,
        utilization=utilization,
    )
    result = job(model, load, gpus=gpu or (), served_name=served_name, picture=picture)
    if as_json:
        show(result, as_json)
    else:
        _show_plan(result)


@llm_app.command()
def manifests(
    output: Annotated[Path, typer.Option(help="Folder for <profile>-<mode>.yaml.")],
    profile: Annotated[
        str | None, typer.Option(help="minimal, production, high-throughput or a YAML file; default: all three.")
    ] = None,
    mode: Annotated[list[str] | None, typer.Option(help="raw or serverless; default: both.")] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Write the manifests that serve a language model on KServe with vLLM.

    Example: vitrina llm manifests --profile production --set max_replicas=6 --output deploy/kserve/llm
    """
    from vitrina.jobs import llm_manifests as job
    from vitrina.jobs.llm_manifests import MODES

    show(job(output, profile=profile, modes=mode or MODES, overrides=typed(pairs(overrides, "--set"))), as_json)


@llm_app.command()
def tiny(
    folder: Annotated[Path, typer.Argument(help="Where to write the model.")],
    steps: Annotated[int, typer.Option(help="Steps of training.")] = 150,
    seed: Annotated[int, typer.Option(help="Of the shop it learns from and of its training.")] = 7,
    as_json: Json = False,
) -> None:
    """Train a tiny Granite, which stands in for the real one where there is no GPU; its words mean nothing.

    Example: vitrina llm tiny models/tiny-granite
    """
    from vitrina.jobs import llm_tiny as job

    show(job(folder, steps=steps, seed=seed), as_json)


def _show_plan(result: LlmPlanResult) -> None:
    from rich.console import Console
    from rich.table import Table

    gib = 1024**3
    load = result.load
    console = Console()
    console.print(
        f"{result.model['name']}: {result.parameters['total']:,} parameters; {load['concurrency']} sequences of "
        f"{load['context']:,} tokens, {load['utilization']:.0%} of each GPU",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("GPU", "dtype", "weights", "rest", "KV/token", "KV/seq.", "at once", "tok/s ≤", box=None)
    for answer in result.gpus:
        needs = answer["memory"]
        name = f"{answer['tensor_parallel'] or 1}×{answer['gpu']}"
        if needs is None:
            table.add_row(name, "", "", "", "", "", "no", answer["why"])
            continue
        table.add_row(
            name,
            answer["dtype"],
            f"{needs['weights'] / gib:.1f} GiB",
            f"{(needs['activations'] + needs['overhead']) / gib:.1f} GiB",
            f"{needs['kv_per_token'] / 1024:.0f} KiB",
            f"{needs['kv_per_sequence'] / 1024**2:.0f} MiB",
            str(answer["largest_concurrency"]) if answer["fits"] else "no",
            f"{answer['tokens_per_second_all']:.0f}" if answer["fits"] else answer["why"],
        )
    console.print(table)
    for answer in result.gpus:
        if answer["fits"]:
            host, made_before = answer["host"], answer["checkpoint_dtype"] in ("int8", "int4")
            weights = (
                f"<{answer['dtype']} checkpoint of {result.model['name']}>" if made_before else result.model["name"]
            )
            console.print(
                f"\n{answer['gpu']}: {host['cpu_cores']} cores, {host['ram_gib']} GiB RAM, "
                f"{host['disk_gib']} GiB disk\n"
                f"  vllm serve {weights} {' '.join(answer['vllm_arguments'])}",
                highlight=False,
                soft_wrap=True,
            )
    if result.picture:
        console.print(f"\nPicture: {result.picture}", highlight=False)
