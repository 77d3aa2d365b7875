"""What a prompt is, and those that come with Vitrina: one YAML file a task in `templates/`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vitrina.llm.prompts.errors import PromptError
from vitrina.llm.prompts.tasks import first_mistake, task
from vitrina.llm.sampling import Sampling

BUILT_IN = "built-in"


class Prompt(BaseModel):
    """One version of a task's prompt: two Jinja2 templates and how the answer is drawn.

    `version` is `built-in`, the number in the registry, or a file's name; `note` says what is different about it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    system: str = Field(min_length=1, max_length=50_000)
    user: str = Field(min_length=1, max_length=50_000)
    sampling: Sampling = Sampling()
    version: str = BUILT_IN
    note: str = ""

    @property
    def label(self) -> str:
        """How people name the version."""
        return f"version {self.version}" if self.version.isdigit() else self.version


def prompt_of(kind: str, values: Mapping[str, Any], version: str = BUILT_IN) -> Prompt:
    """A prompt from its parts; parameters of `sampling` that are not given are the task's.

    Raises:
        PromptError: parts that are missing, unknown or out of bounds.
    """
    owner = task(kind)
    try:
        chosen = Sampling.model_validate(owner.sampling.model_dump() | dict(values.get("sampling") or {}))
        return Prompt(**{**values, "task": owner.name, "sampling": chosen, "version": version})
    except ValidationError as error:
        raise PromptError(f"The prompt for '{owner.name}': {first_mistake(error)}.") from error


@cache
def built_in(kind: str) -> Prompt:
    """The prompt of a task that comes with Vitrina.

    Raises:
        PromptError: when there is no such task.
    """
    file = files("vitrina.llm.prompts").joinpath("templates", f"{task(kind).name}.yaml")
    return prompt_of(kind, yaml.safe_load(file.read_text(encoding="utf-8")))
