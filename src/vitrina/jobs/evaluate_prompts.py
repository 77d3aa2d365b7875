"""Ask a language model with one prompt or several, on the same cases, and say how good the answers are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.llm.endpoint import Endpoint
    from vitrina.llm.prompts.evaluation import Case, Judged
    from vitrina.llm.prompts.faithfulness import LearnedKnowledge
    from vitrina.llm.prompts.prompt import Prompt


class EvaluatePromptsResult(JobResult):
    """`prompts`: one mapping a prompt (`llm.prompts.evaluation.Quality`); `verdict`: the last against the first."""

    task: str
    model: str
    cases: int
    prompts: list[dict[str, Any]]
    verdict: str | None
    output: str | None


def evaluate_prompts(
    task: str,
    endpoint: Endpoint,
    prompts: Sequence[str] = ("production",),
    *,
    catalogue: Path | None = None,
    inputs: Path | None = None,
    count: int = 50,
    examples: int = 0,
    output: Path | None = None,
    concurrency: int = 4,
    tell: Callable[[str], None] = lambda words: None,
) -> EvaluatePromptsResult:
    """Evaluate prompts of a task.

    Args:
        prompts: versions, aliases or YAML files; `production` is the built-in one where none is registered.
        catalogue: canonical Parquet; its products are the cases of `describe`, chosen by a hash of their ids, and teach
            which attributes a text makes up.
        inputs: JSON lines with the inputs of the cases; needed for other tasks.
        examples: so many few-shot examples from the catalogue for each case.
        output: JSON file for the whole report, every answer in it.
        tell: hears what is going on.

    Raises:
        PromptError: a prompt that is not there or cannot be rendered, inputs that are not the task's.
        DataError: a catalogue or file without cases. LLMError: a server that does not answer.
    """
    from dataclasses import asdict

    from vitrina.artifacts import write_json
    from vitrina.llm.prompts.evaluation import paired, quality, record
    from vitrina.llm.prompts.registry import chosen
    from vitrina.llm.prompts.tasks import task as task_of

    kind = task_of(task).name
    asked = [chosen(kind, reference) for reference in prompts]
    tell("reading cases")
    cases, knowledge = _cases(kind, catalogue, inputs, count, examples)
    model, answers = asyncio.run(_asked(endpoint, asked, cases, knowledge, concurrency, tell))
    found = [asdict(quality(prompt, each)) for prompt, each in zip(asked, answers, strict=True)]
    verdict = None
    if len(asked) > 1:
        verdict = paired(answers[0], answers[-1], (asked[0].label, asked[-1].label)).sentence
    result = EvaluatePromptsResult(
        task=kind,
        model=model,
        cases=len(cases),
        prompts=found,
        verdict=verdict,
        output=str(output) if output else None,
    )
    if output is not None:
        lines = {prompt.version: [record(each) for each in made] for prompt, made in zip(asked, answers, strict=True)}
        write_json(Path(output), result.model_dump() | {"answers": lines})
    return result


async def _asked(
    endpoint: Endpoint,
    prompts: Sequence[Prompt],
    cases: Sequence[Case],
    knowledge: LearnedKnowledge | None,
    concurrency: int,
    tell: Callable[[str], None],
) -> tuple[str, list[list[Judged]]]:
    from vitrina.llm.client import Chat
    from vitrina.llm.prompts.evaluation import judged

    chat = Chat(endpoint)
    try:
        model = endpoint.model or ", ".join((await chat.models())[:1])
        answers = []
        for prompt in prompts:
            heard = _telling(prompt, tell)
            answers.append(await judged(chat, prompt, cases, knowledge=knowledge, concurrency=concurrency, done=heard))
    finally:
        await chat.close()
    return model, answers


def _telling(prompt: Prompt, tell: Callable[[str], None]) -> Callable[[int], None]:
    return lambda count: tell(f"asking with {prompt.label}: {count:,} answers")


def _cases(
    kind: str, catalogue: Path | None, inputs: Path | None, count: int, examples: int
) -> tuple[list[Case], LearnedKnowledge | None]:
    from vitrina.contracts import TABLES
    from vitrina.data.tables import read_table
    from vitrina.errors import DataError, UsageError
    from vitrina.llm.prompts.cases import of_catalogue, of_lines, with_examples
    from vitrina.llm.prompts.faithfulness import LearnedKnowledge

    if inputs is None and (catalogue is None or kind != "describe"):
        or_catalogue = ", or --catalogue FILE" if kind == "describe" else ""
        raise UsageError(f"Say what '{kind}' is to be asked: --inputs FILE{or_catalogue}.")
    table = read_table(Path(catalogue), TABLES["catalogue"]) if catalogue is not None else None
    if inputs is not None:
        cases = of_lines(kind, Path(inputs))[:count]
    else:
        assert table is not None
        cases = of_catalogue(table, count)
    if examples and table is None:
        raise UsageError("Examples come from a catalogue: give --catalogue.")
    if examples and table is not None:
        cases = with_examples(cases, table, examples)
    knowledge = None
    if table is not None:
        try:
            knowledge = LearnedKnowledge.of(table)
        except DataError:  # too few descriptions to learn from: attributes are looked for word for word
            knowledge = None
    return cases, knowledge
