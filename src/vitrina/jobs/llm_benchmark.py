"""A served language model and a load → how fast it answers, and whether that is what the shop promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.llm.benchmark.load import Load, Objective
    from vitrina.llm.endpoint import Endpoint


class LlmBenchmarkResult(JobResult):
    """`levels`: one mapping a level (`llm.benchmark.measures.Level`); `json_file` and `page` hold the whole report."""

    url: str
    model: str
    levels: list[dict[str, Any]]
    verdict: dict[str, Any]
    json_file: str
    page: str


def llm_benchmark(
    endpoint: Endpoint,
    output: Path,
    load: Load | None = None,
    *,
    objective: Objective | None = None,
    catalogue: Path | None = None,
    tokenizer: str | None = None,
    dcgm: str | None = None,
    tell: Callable[[str], None] = lambda words: None,
) -> LlmBenchmarkResult:
    """Measure a server with guidellm, which is installed into an environment of its own at the first use.

    Args:
        output: folder for `benchmark.json`, `benchmark.html` and guidellm's own reports, one folder a level.
        catalogue: canonical Parquet whose products are asked about; default: the sample store's.
        tokenizer: folder or hub id that counts synthetic prompts (`load.prompt_tokens`); default: the model's name.
        dcgm: address of a DCGM exporter's metrics, for the GPUs.
        tell: hears what is going on.

    Raises:
        DataError: the catalogue is missing or empty.
        LLMUnavailable, LLMRefused: the server is away, or refuses the key or the model.
        ServiceError: guidellm cannot be installed or fails, or no request was answered.
    """
    from vitrina.artifacts import write_json, write_text
    from vitrina.llm.benchmark.dataset import read_products
    from vitrina.llm.benchmark.load import Load
    from vitrina.llm.benchmark.page import page
    from vitrina.llm.benchmark.sweep import sweep

    wanted = load or Load()
    products = [] if wanted.prompt_tokens else read_products(catalogue)
    report = sweep(
        endpoint,
        wanted,
        output,
        objective=objective,
        products=products,
        tokenizer=tokenizer,
        dcgm=dcgm,
        tell=tell,
    )
    content = report.model_dump(mode="json")
    write_json(output / "benchmark.json", content)
    write_text(output / "benchmark.html", page(report))
    return LlmBenchmarkResult(
        url=report.url,
        model=report.model,
        levels=content["levels"],
        verdict=content["verdict"],
        json_file=str(output / "benchmark.json"),
        page=str(output / "benchmark.html"),
    )
