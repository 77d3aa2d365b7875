"""Commands of large language models: plan the GPUs, write the manifests, measure the server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.cli import app
from vitrina.cli.output import Json, Overrides, pairs, show, telling, typed

if TYPE_CHECKING:
    from vitrina.jobs.llm_benchmark import LlmBenchmarkResult
    from vitrina.jobs.llm_plan import LlmPlanResult
    from vitrina.jobs.llm_verify import LlmVerifyResult

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
    show(result, as_json, _show_plan)


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


@llm_app.command()
def verify(
    url: Annotated[
        str, typer.Argument(envvar="VITRINA_LLM_URL", help="Server with OpenAI's API, e.g. http://host/v1.")
    ],
    model: Annotated[str | None, typer.Option(envvar="VITRINA_LLM_MODEL", help="Default: the first it lists.")] = None,
    key_env: Annotated[str, typer.Option(help="Variable that holds the API key.")] = "VITRINA_LLM_KEY",
    wait: Annotated[float, typer.Option(min=0, help="Seconds that the server may still need to load.")] = 0.0,
    context: Annotated[int | None, typer.Option(min=1, help="Tokens it takes at most; default: what it says.")] = None,
    gpu: Annotated[str | None, typer.Option(help="What it runs on, e.g. L4: the diagnoses name its limits.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for each answer.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Check a served model: ready, listed, generates, streams, its format, its limits; say what is wrong and why.

    Exits with 7 when a check fails. Example: vitrina llm verify http://localhost:8000/v1 --wait 900 --gpu A100-40
    """
    from vitrina.errors import ServiceError, UsageError
    from vitrina.jobs import llm_verify as job
    from vitrina.llm.endpoint import Endpoint

    key = os.environ.get(key_env) or None
    if key is None and key_env != "VITRINA_LLM_KEY":
        raise UsageError(f"The variable {key_env} holds no API key.")
    with telling() as tell:
        result = job(
            Endpoint(url=url, model=model or None, key=key, total_timeout=timeout),
            wait=wait,
            context=context,
            gpu=gpu,
            tell=tell,
        )
    show(result, as_json, _show_verification)
    if not result.passed:
        raise typer.Exit(ServiceError.exit_code)


def _show_verification(result: LlmVerifyResult) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    colours = {"pass": "green", "fail": "red", "note": "yellow", "skip": "dim"}
    table = Table("check", "", "seconds", "what was found", box=None)
    for check in result.checks:
        status = Text(check["status"], style=colours[check["status"]])
        table.add_row(check["name"], status, f"{check['seconds']:.2f}", Text(check["detail"]))
    console.print(table)
    for diagnosis in result.diagnoses:
        console.print(f"\n{diagnosis['trouble']} {diagnosis['reason']}", highlight=False, markup=False)
        for change in diagnosis["changes"]:
            console.print(f"- {change}", highlight=False, markup=False, soft_wrap=True)


@llm_app.command()
def benchmark(
    url: Annotated[
        str, typer.Argument(envvar="VITRINA_LLM_URL", help="Server with OpenAI's API, e.g. http://host/v1.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path(".vitrina/llm-benchmark"),
    model: Annotated[str | None, typer.Option(envvar="VITRINA_LLM_MODEL", help="Default: the first it lists.")] = None,
    arrivals: Annotated[str, typer.Option(help="concurrent (streams), constant or poisson (a second).")] = "concurrent",
    level: Annotated[
        list[float] | None, typer.Option(help="Streams at once, or requests a second (repeatable); default: a sweep.")
    ] = None,
    requests: Annotated[int, typer.Option(help="Counted at each level.")] = 100,
    warmup: Annotated[int, typer.Option(help="Made before and not counted; at least one a stream.")] = 5,
    seconds: Annotated[float, typer.Option(help="At most, for each level.")] = 120,
    catalogue: Annotated[Path | None, typer.Option(help="Products to ask about; default: the sample store's.")] = None,
    prompt_tokens: Annotated[int | None, typer.Option(help="Synthetic prompts of this length instead.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Counts them: folder or hub id; default: the model.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Of an answer.")] = 200,
    temperature: Annotated[float, typer.Option(help="0: the likeliest word.")] = 0.7,
    whole_answers: Annotated[
        bool, typer.Option("--whole-answers", help="Every answer has --max-tokens; for vLLM (ignore_eos).")
    ] = False,
    slo: Annotated[
        list[str] | None,
        typer.Option(help="ttft_ms=500, tokens_per_second=50, concurrency=10, share=0.95 (repeatable)."),
    ] = None,
    dcgm: Annotated[str | None, typer.Option(help="Metrics of a DCGM exporter, for the GPUs.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a server under load: first token, speed, throughput, goodput. Its key: VITRINA_LLM_KEY.

    Example: vitrina llm benchmark http://localhost:8000/v1 --level 1 --level 4 --level 12 --requests 200
    """
    from vitrina.jobs import llm_benchmark as job
    from vitrina.llm.benchmark.load import Load, Objective, checked
    from vitrina.llm.endpoint import Endpoint
    from vitrina.settings import load_settings

    load = {
        "arrivals": arrivals,
        "levels": tuple(level or ()),
        "requests": requests,
        "warmup": warmup,
        "seconds": seconds,
        "prompt_tokens": prompt_tokens,
        "whole_answers": whole_answers,
        "sampling": {"max_tokens": max_tokens, "temperature": temperature},
    }
    with telling() as tell:
        result = job(
            Endpoint(url=url, model=model or None, key=load_settings().llm_key),
            output,
            checked(Load, load),
            objective=checked(Objective, typed(pairs(slo, "--slo"))),
            catalogue=catalogue,
            tokenizer=tokenizer,
            dcgm=dcgm,
            tell=tell,
        )
    show(result, as_json, _show_benchmark)


def _show_benchmark(result: LlmBenchmarkResult) -> None:
    from rich.console import Console
    from rich.table import Table

    from vitrina.llm.benchmark.measures import Level
    from vitrina.llm.benchmark.page import HEADS, row

    console = Console()
    levels = [row(Level.model_validate(level)) for level in result.levels]
    table = Table("", *(cells[0].text for cells in levels), box=None)
    for head, *cells in list(zip(HEADS, *levels, strict=True))[1:]:
        table.add_row(head, *(cell.text for cell in cells))
    console.print(table)
    for level in result.levels:
        for words, count in level["errors"].items():
            console.print(f"{level['title']}: {count} × {words}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"\n{result.verdict['words']}\n{result.page}", highlight=False, soft_wrap=True, markup=False)


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
