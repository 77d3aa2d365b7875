"""Let running services follow the champion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from vitrina.serving.runtime import Source


class SwitchResult(JobResult):
    """The version that services were pointed at; None where none was ever started on the champion of `name`."""

    name: str
    version: str | None


def switch(name: str) -> SwitchResult:
    """Point the services that follow the champion of `name` at the present one; they change within seconds."""
    from vitrina.serving.runtime import point

    pointer = pointer_of(name)
    if not pointer.is_file():
        return SwitchResult(name=name, version=None)
    source = source_of(champion(name))
    point(pointer, source.folder, source.model, source.version)
    return SwitchResult(name=name, version=source.version)


def champion(name: str) -> str:
    """The registry reference of a family's champion."""
    return f"models:/{name}@champion"


def pointer_of(name: str) -> Path:
    """The file that names the champion for services."""
    from vitrina.settings import load_settings

    return load_settings().home.resolve() / "serving" / f"{name}.json"


def source_of(model: str) -> Source:
    """The folder, family and version behind a model reference; the version of an unregistered folder is a digest.

    Raises:
        ArtifactError, RegistryError: when it cannot be resolved.
    """
    from vitrina.artifacts import read_manifest
    from vitrina.errors import ArtifactError
    from vitrina.registry.models import resolve
    from vitrina.serving.runtime import Source, read_source

    folder = resolve(model).resolve()
    family = read_manifest(folder).get("family")
    if not isinstance(family, str):
        raise ArtifactError(f"{folder} does not say which family it is of: its manifest has no 'family'.")
    registered = model.startswith("models:/")  # resolve() keeps a version in a folder of that name
    return Source(folder, family, folder.name if registered else read_source(folder).version)
