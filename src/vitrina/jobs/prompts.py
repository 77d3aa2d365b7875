"""The prompts of the assistant: register a version, list them, put one into production, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vitrina.jobs.result import JobResult


class RegisterPromptResult(JobResult):
    """The version; `new` is false where an equal one was there already."""

    task: str
    name: str
    version: str
    new: bool
    note: str


class PromptLine(JobResult):
    """One version; `built-in` stands for what comes with Vitrina."""

    task: str
    version: str
    aliases: list[str]
    note: str
    created: str


class PromptsResult(JobResult):
    """All versions of one task or of all, newest first within a task."""

    prompts: list[PromptLine]


class PromotePromptResult(JobResult):
    """`version` now has the alias; `replaces` had it before (`built-in`: none was registered)."""

    task: str
    version: str
    alias: Literal["production", "candidate"]
    replaces: str | None


class RollbackPromptResult(JobResult):
    """`version` is in production again; `previous` was until now."""

    task: str
    version: str
    previous: str


def register_prompt(task: str, file: Path | None = None, *, note: str = "") -> RegisterPromptResult:
    """Register a version of a task's prompt: that of a YAML file, or the one that comes with Vitrina.

    Raises:
        PromptError: an unknown task, or a file that is no prompt of it. RegistryError: a registry that does not answer.
    """
    from vitrina.llm.prompts import registry
    from vitrina.llm.prompts.prompt import built_in

    prompt = built_in(task) if file is None else registry.read_prompt(task, Path(file))
    stored, new = registry.register(prompt.model_copy(update={"note": note}) if note else prompt)
    return RegisterPromptResult(
        task=stored.task, name=registry.name_of(stored.task), version=stored.version, new=new, note=stored.note
    )


def list_prompts(task: str | None = None) -> PromptsResult:
    """The versions of one task's prompt, or of all tasks'; without a registry the built-in ones."""
    from vitrina.llm.prompts.registry import name_of
    from vitrina.llm.prompts.tasks import names
    from vitrina.llm.prompts.tasks import task as task_of
    from vitrina.registry import prompts as store
    from vitrina.registry.tracking import exists

    lines, registered = [], exists()
    for kind in [task_of(task).name] if task else names():
        aliases = store.aliases(name_of(kind)) if registered else {}
        for each in store.versions(name_of(kind)) if registered else []:
            own = [alias for alias, version in aliases.items() if version == each.version]
            created = each.created.isoformat(timespec="seconds")
            lines.append(PromptLine(task=kind, version=each.version, aliases=own, note=each.note, created=created))
        serves = [] if store.PRODUCTION in aliases else [store.PRODUCTION]
        lines.append(PromptLine(task=kind, version="built-in", aliases=serves, note="", created=""))
    return PromptsResult(prompts=lines)


def promote_prompt(task: str, version: str, *, candidate: bool = False) -> PromotePromptResult:
    """Put a registered version into production, or make it the candidate that a share of the users gets.

    `candidate` with the version `none` ends the comparison.
    """
    from vitrina.llm.prompts.prompt import BUILT_IN
    from vitrina.llm.prompts.registry import load, name_of, rehearse
    from vitrina.registry import prompts as store

    if candidate and version == "none":
        kind = load(task, BUILT_IN).task
        before = store.aliases(name_of(kind)).get(store.CANDIDATE)
        store.propose(name_of(kind), None)
        return PromotePromptResult(task=kind, version="none", alias="candidate", replaces=before)
    prompt = load(task, version)
    rehearse(prompt)  # what other hands registered may be no prompt of this task
    name = name_of(prompt.task)
    if candidate:
        before = store.aliases(name).get(store.CANDIDATE)
        store.propose(name, prompt.version)
        return PromotePromptResult(task=prompt.task, version=prompt.version, alias="candidate", replaces=before)
    replaced = store.promote(name, prompt.version) or BUILT_IN
    return PromotePromptResult(task=prompt.task, version=prompt.version, alias="production", replaces=replaced)


def rollback_prompt(task: str) -> RollbackPromptResult:
    """Restore what the production version of a task's prompt replaced; repeated, it goes further back."""
    from vitrina.llm.prompts.prompt import BUILT_IN
    from vitrina.llm.prompts.registry import name_of
    from vitrina.llm.prompts.tasks import task as task_of
    from vitrina.registry import prompts as store

    kind = task_of(task).name
    restored, previous = store.rollback(name_of(kind))
    return RollbackPromptResult(task=kind, version=restored or BUILT_IN, previous=previous)
