"""Versions of prompts in MLflow's prompt registry, and which of them is in production. Knows no task.

As with models (`promotion.py`) the alias `production` is the only state that counts and moves in one write; what a
version replaced stands in its tag `vitrina.replaces`, written before. No alias: nothing registered is in production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vitrina.errors import RegistryError
from vitrina.registry.promotion import REPLACES
from vitrina.registry.tracking import connect, lock, registry_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import PromptVersion

PRODUCTION, CANDIDATE = "production", "candidate"
MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE")
"""How MLflow says that a prompt, a version or (the last) an alias is not there."""


@dataclass(frozen=True)
class RegisteredPrompt:
    """One version: messages of a chat (`role`, `content` as a template), parameters of the model, a note."""

    name: str
    version: str
    messages: list[dict[str, str]]
    config: dict[str, Any]
    note: str
    created: datetime
    tags: Mapping[str, str]


def add(
    name: str, messages: Sequence[Mapping[str, str]], config: Mapping[str, Any], schema: Mapping[str, Any], note: str
) -> tuple[RegisteredPrompt, bool]:
    """Register a version, in one write; gives it and True, or an equal one that is there already and False."""
    with _registry(f"registering prompt {name}") as client, lock(f"prompt-{name}"):
        for known in _versions(client, name):
            if (known.messages, known.config) == ([dict(each) for each in messages], dict(config)):
                return known, False
        made = client.register_prompt(
            name,
            [dict(each) for each in messages],
            commit_message=note,
            response_format=dict(schema),
            model_config=dict(config),
        )
        return _read(made), True


def versions(name: str) -> list[RegisteredPrompt]:
    """All versions, newest first; none where the prompt was never registered."""
    with _registry(f"listing prompt {name}") as client:
        return _versions(client, name)


def find(name: str, reference: str) -> RegisteredPrompt | None:
    """A version by number or alias; None where there is none."""
    with _registry(f"loading prompt {name}@{reference}") as client:
        return _find(client, name, reference)


def aliases(name: str) -> dict[str, str]:
    """Alias → version, of `production` and `candidate`, as far as they are set."""
    with _registry(f"reading the aliases of prompt {name}") as client:
        found = {alias: _aliased(client, name, alias) for alias in (PRODUCTION, CANDIDATE)}
    return {alias: version for alias, version in found.items() if version is not None}


def promote(name: str, version: str) -> str | None:
    """Put a version into production; gives the one it replaces. A candidate that is promoted is no candidate any more.

    Raises:
        RegistryError: an unknown version, or a registry that does not answer or changed meanwhile.
    """
    with _registry(f"promoting version {version} of prompt {name}") as client:
        _must_find(client, name, version)
        before = _aliased(client, name, PRODUCTION)
        if before == version:
            return before
        if not _move(client, name, before, version, replaces=before or ""):
            raise RegistryError(f"The production version of prompt '{name}' changed meanwhile; look, then repeat.")
        if _aliased(client, name, CANDIDATE) == version:
            client.delete_prompt_alias(name, CANDIDATE)
    return before


def propose(name: str, version: str | None) -> None:
    """Make a version the candidate, which some users get; None: nobody gets a candidate.

    Raises:
        RegistryError: an unknown version, or one that is in production.
    """
    with _registry(f"choosing a candidate of prompt {name}") as client:
        if version is None:
            if _aliased(client, name, CANDIDATE) is not None:
                client.delete_prompt_alias(name, CANDIDATE)
            return
        _must_find(client, name, version)
        if _aliased(client, name, PRODUCTION) == version:
            raise RegistryError(
                f"Version {version} of prompt '{name}' is in production: it cannot be its own candidate."
            )
        client.set_prompt_alias(name, CANDIDATE, int(version))


def rollback(name: str) -> tuple[str | None, str]:
    """Restore what the production version replaced; gives (restored, taken back). None: nothing registered.

    Raises:
        RegistryError: nothing is in production, or what was before has been deleted.
    """
    with _registry(f"rolling back prompt {name}") as client:
        current = _find(client, name, PRODUCTION)
        if current is None:
            raise RegistryError(f"No version of prompt '{name}' is in production; there is nothing to roll back.")
        before = current.tags.get(REPLACES) or None
        if before is not None:
            _must_find(client, name, before)
        if not _move(client, name, current.version, before):
            raise RegistryError(f"The production version of prompt '{name}' changed meanwhile; look, then repeat.")
        if REPLACES in current.tags:
            client.delete_prompt_version_tag(name, current.version, REPLACES)
    return before, current.version


def _move(
    client: MlflowClient, name: str, expected: str | None, version: str | None, *, replaces: str | None = None
) -> bool:
    """Move `production` if it still is where it was expected; the lock is this machine's, see `move_champion`."""
    with lock(f"production-{name}"):
        if _aliased(client, name, PRODUCTION) != expected:
            return False
        if version is None:
            client.delete_prompt_alias(name, PRODUCTION)
        else:
            if replaces is not None:
                client.set_prompt_version_tag(name, version, REPLACES, replaces)
            client.set_prompt_alias(name, PRODUCTION, int(version))
        return _aliased(client, name, PRODUCTION) == version


@contextmanager
def _registry(action: str) -> Iterator[MlflowClient]:
    client = connect()
    with registry_errors(action):
        yield client


def _must_find(client: MlflowClient, name: str, version: str) -> RegisteredPrompt:
    found = _find(client, name, version) if version.isdigit() else None
    if found is None:
        known = ", ".join(each.version for each in reversed(_versions(client, name))) or "none"
        raise RegistryError(f"There is no version '{version}' of prompt '{name}'; registered: {known}.")
    return found


def _aliased(client: MlflowClient, name: str, alias: str) -> str | None:
    found = _find(client, name, alias)
    return found.version if found else None


def _find(client: MlflowClient, name: str, reference: str) -> RegisteredPrompt | None:
    from mlflow.exceptions import MlflowException

    try:
        if reference.isdigit():
            found = client.get_prompt_version(name, reference)
        else:
            found = client.get_prompt_version_by_alias(name, reference)
    except MlflowException as error:
        if error.error_code in MISSING:
            return None
        raise
    return _read(found) if found else None


def _versions(client: MlflowClient, name: str) -> list[RegisteredPrompt]:
    """Newest first, over all pages."""
    if client.get_prompt(name) is None:
        return []
    found: list[RegisteredPrompt] = []
    token = None
    while True:
        page = client.search_prompt_versions(name, 200, token)
        found += [_read(each) for each in page]
        token = page.token
        if not token:
            return sorted(found, key=lambda each: -int(each.version))


def _read(version: PromptVersion) -> RegisteredPrompt:
    """MLflow's entity in our words; a prompt of one text, written by other hands, is a user's message."""
    template = version.template
    messages = [{"role": "user", "content": template}] if isinstance(template, str) else template
    return RegisteredPrompt(
        version.name,
        str(version.version),
        [dict(each) for each in messages],
        dict(version.model_config or {}),
        version.commit_message or "",
        datetime.fromtimestamp((version.creation_timestamp or 0) / 1000, UTC),
        dict(version.tags),
    )
