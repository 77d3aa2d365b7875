"""Which prompt a request is asked with: the version in production, or its candidate for a share of the users."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vitrina.errors import VitrinaError
from vitrina.llm.prompts.experiments import is_candidate
from vitrina.llm.prompts.prompt import Prompt, built_in
from vitrina.llm.prompts.registry import InUse
from vitrina.llm.prompts.tasks import names
from vitrina.watching import Watch

logger = logging.getLogger("vitrina.llm")


class Chosen(NamedTuple):
    """A prompt, and whether it is the one in production or its candidate."""

    prompt: Prompt
    variant: str


class PromptBook:
    """The prompts of all tasks, looked up again every few seconds; what cannot be looked up stays as it was.

    A part of a service: `start` looks for the first time, and waits for it.
    """

    def __init__(self, look_up: Callable[[str], InUse], *, share: float, seconds: float) -> None:
        """`look_up(task)` asks the registry; `share`: of the users who get the candidate, always the same ones."""
        self._look_up = look_up
        self._share = share
        self._seconds = seconds
        self._looked = 0.0
        self._error = ""
        self._watch = Watch("prompt-watch", self._refresh)
        self._in_use: Mapping[str, InUse] = {name: InUse(built_in(name)) for name in names()}

    def start(self) -> None:
        """Look, and go on looking."""
        self._refresh()
        self._watch.start()

    def close(self) -> None:
        """Stop looking."""
        self._watch.close()

    def of(self, task: str, user: str | None) -> Chosen:
        """The prompt for a user; who is not named gets the one in production."""
        found = self._in_use[task]
        if found.candidate is not None and user is not None:
            salt = f"{task}:{found.candidate.version}"
            if is_candidate(user, self._share, salt):
                return Chosen(found.candidate, "candidate")
        return Chosen(found.production, "production")

    def _refresh(self) -> None:
        now = time.monotonic()
        if self._looked and now - self._looked < self._seconds:
            return
        self._looked = now
        try:
            self._in_use = {name: self._look_up(name) for name in names()}
            self._error = ""
        except VitrinaError as error:
            if str(error) != self._error:
                logger.error("The prompts stay as they are: %s", error)
            self._error = str(error)
