"""What a prompt is, and those that come with Vitrina: one YAML file a task in `templates/`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field

from vitrina.llm.prompts.errors import PromptError
from vitrina.llm.sampling import Sampling

BUILT_IN = "built-in"


class Prompt(BaseModel):
    """One version of a task's prompt: two Jinja2 templates and how the answer is drawn.

    `version` is `built-in` or the number in the registry; `note` says what is different about it.
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
        return self.version if self.version == BUILT_IN else f"version {self.version}"


@cache
def built_in(task: str) -> Prompt:
    """The prompt of a task that comes with Vitrina.

    Raises:
        PromptError: when there is none.
    """
    file = files("vitrina.llm.prompts").joinpath("templates", f"{task}.yaml")
    if not file.is_file():
        raise PromptError(f"No prompt '{task}' comes with Vitrina.")
    return Prompt(task=task, **yaml.safe_load(file.read_text(encoding="utf-8")))
