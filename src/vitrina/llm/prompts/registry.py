"""The versions of the tasks' prompts: MLflow's prompt registry where there is one, else what comes with Vitrina."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from vitrina.llm.prompts.errors import PromptError
from vitrina.llm.prompts.prompt import BUILT_IN, Prompt, built_in, prompt_of
from vitrina.llm.prompts.rendering import render
from vitrina.llm.prompts.tasks import task
from vitrina.llm.sampling import Sampling
from vitrina.registry import prompts as store
from vitrina.registry.prompts import CANDIDATE, PRODUCTION, RegisteredPrompt
from vitrina.registry.tracking import exists

PREFIX = "assistant."
"""Prompts and models share MLflow's names."""


class InUse(NamedTuple):
    """What a task is asked with: the production prompt, and a candidate that some users get."""

    production: Prompt
    candidate: Prompt | None = None


def read_prompt(kind: str, file: Path) -> Prompt:
    """A prompt of a task from a YAML file: `system`, `user`, and where they differ `sampling` and `note`.

    Raises:
        PromptError: no such file or task, unknown keys, a template that cannot be rendered for the task.
    """
    name = task(kind).name
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"{file} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise PromptError(f"{file} is no YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(values, dict) or {"task", "version"} & set(values):
        raise PromptError(f"{file} must be a mapping with `system`, `user`, and if need be `sampling` and `note`.")
    prompt = prompt_of(name, values)
    rehearse(prompt)
    return prompt


@lru_cache(maxsize=64)
def rehearse(prompt: Prompt) -> None:
    """Render a prompt for sample inputs of its task, in both forms; once for each prompt.

    Raises:
        PromptError: when it cannot be rendered, or shows nothing of what it is given.
    """
    for inputs in samples(prompt.task):
        for form in ("json", "text"):
            messages = render(prompt, inputs, form=form)  # type: ignore[arg-type]
            if not any("<data " in message["content"] for message in messages):
                raise PromptError(f"The prompt for '{prompt.task}' shows the model nothing of what it is given.")


@cache
def samples(kind: str) -> tuple[dict[str, Any], ...]:
    """Inputs of a task to try prompts with: little and much, Spanish and English."""
    listed = yaml.safe_load(files("vitrina.llm.prompts").joinpath("samples.yaml").read_text(encoding="utf-8"))
    return tuple(listed[task(kind).name])


def register(prompt: Prompt) -> tuple[Prompt, bool]:
    """Register a prompt as a new version; gives it and True, or an equal version that is there and False.

    Raises:
        PromptError: when it cannot be rendered. RegistryError: a registry that does not answer or refuses.
    """
    rehearse(prompt)
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
    config = prompt.sampling.model_dump(exclude_none=True)
    stored, new = store.add(name_of(prompt.task), messages, config, task(prompt.task).schema(), prompt.note)
    return _prompt(prompt.task, stored), new


def load(kind: str, reference: str) -> Prompt:
    """A version by number or alias, or the one that comes with Vitrina (`built-in`).

    Raises:
        PromptError: when there is none. RegistryError: a registry that does not answer.
    """
    name = task(kind).name
    if reference == BUILT_IN:
        return built_in(name)
    stored = store.find(name_of(name), reference)
    if stored is None:
        raise PromptError(f"The registry has no version or alias '{reference}' of the prompt for '{name}'.")
    return _prompt(name, stored)


def in_use(kind: str) -> InUse:
    """What is in production now, and the candidate; without a registry or an alias, the built-in prompt.

    Raises:
        PromptError: other hands gave an alias to what is no prompt of the task. RegistryError: a registry that does not
            answer.
    """
    name = task(kind).name
    if not exists():
        return InUse(built_in(name))
    production, candidate = (store.find(name_of(name), alias) for alias in (PRODUCTION, CANDIDATE))
    current = _prompt(name, production) if production else built_in(name)
    proposed = _prompt(name, candidate) if candidate else None
    for each in (current, proposed):
        if each is not None:
            rehearse(each)
    return InUse(current, proposed if proposed and proposed.version != current.version else None)


def chosen(kind: str, reference: str) -> Prompt:
    """A prompt as people name it: `production` (built-in where nothing is), a version, another alias or a YAML file.

    Raises:
        PromptError: when there is none, or the file is no prompt of the task.
    """
    if reference == PRODUCTION:
        return in_use(kind).production
    if reference.endswith((".yaml", ".yml")):
        return read_prompt(kind, Path(reference)).model_copy(update={"version": Path(reference).name})
    return load(kind, reference)


def name_of(kind: str) -> str:
    """The registered name of a task's prompt."""
    return PREFIX + kind


def _prompt(kind: str, stored: RegisteredPrompt) -> Prompt:
    roles = {message.get("role"): message.get("content", "") for message in stored.messages}
    if list(roles) != ["system", "user"] or len(stored.messages) != 2:
        raise PromptError(
            f"Version {stored.version} of prompt '{stored.name}' has other messages than one of the system and one "
            "of the user."
        )
    values = {"system": roles["system"], "user": roles["user"], "note": stored.note}
    sampling = {key: value for key, value in stored.config.items() if key in Sampling.model_fields}
    return prompt_of(kind, {**values, "sampling": sampling}, stored.version)
