"""Presets: how a family is trained, read from YAML, overridden by dotted keys, checked key by key."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

from vitrina.errors import UsageError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.spec import FamilySpec

Section = TypeVar("Section", bound=BaseModel)


class Toleration(BaseModel):
    """A Kubernetes toleration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class SecretKey(BaseModel):
    """One key of a Kubernetes secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret: str
    key: str


class Resources(BaseModel):
    """What a cluster gives the training task; ignored on one machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu: str = Field("2", description="CPU request and limit, e.g. 8 or 500m.")
    memory: str = Field("4Gi", description="Memory request and limit.")
    gpu: int = Field(0, ge=0, description="Number of accelerators.")
    accelerator: str = Field("nvidia.com/gpu", description="Resource name of the accelerator.")
    shared_memory: str = Field("", description="Size of /dev/shm; empty: the cluster's default.")
    node_selector: dict[str, str] = Field(default_factory=dict, description="Node label → value.")
    tolerations: tuple[Toleration, ...] = Field((), description="Taints the task accepts.")
    secrets: dict[str, SecretKey] = Field(default_factory=dict, description="Environment variable → secret key.")
    timeout: int = Field(0, ge=0, description="Seconds after which the task is stopped; 0: never.")


class Preset(BaseModel):
    """One resolved way to train a family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    model: SerializeAsAny[BaseModel]
    training: TrainingOptions
    resources: Resources
    teacher: str | None = Field(None, description="Preset of the teacher this one is distilled from.")


def load_preset(spec: FamilySpec, preset: str | Path, overrides: Mapping[str, Any] | None = None) -> Preset:
    """Read, override and check a preset.

    Args:
        preset: a name in the family's `presets/`, or the path of a YAML file.
        overrides: dotted key → value, e.g. `{"training.epochs": 2}`.

    Raises:
        UsageError: for an unknown preset, an unknown key (the nearest known one is named) or a bad value.
    """
    path = _find(spec, preset)
    content = _override(_read(path), overrides or {})
    known = {"model", "training", "resources", "teacher"}
    for key in content:
        if key not in known:
            raise UsageError(f"Preset {path.stem}: {_unknown(key, key, known)}")
    teacher = content.get("teacher")
    if teacher is not None and not isinstance(teacher, str):
        raise UsageError(f"Preset {path.stem}: teacher is the name of a preset, not {teacher!r}.")
    return Preset(
        name=path.stem,
        model=checked(spec.options, content.get("model"), "model", path.stem),
        training=checked(TrainingOptions, content.get("training"), "training", path.stem),
        resources=checked(Resources, content.get("resources"), "resources", path.stem),
        teacher=teacher,
    )


def checked(section: type[Section], values: Any, name: str, source: str) -> Section:
    """Validate one section; the first error becomes one sentence.

    Raises:
        UsageError: names source, dotted key and what is wrong with it.
    """
    try:
        return section.model_validate({} if values is None else values)
    except ValidationError as error:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if isinstance(part, int) or part.isidentifier()]
        dotted = ".".join([name, *where])
        if first["type"] == "extra_forbidden":
            raise UsageError(f"Preset {source}: {_unknown(dotted, where[-1], _keys(section, where))}") from error
        message = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], Mapping) else f" (got {first['input']!r})"
        raise UsageError(f"Preset {source}: {dotted}: {message}{got}.") from error


def _find(spec: FamilySpec, preset: str | Path) -> Path:
    named = spec.folder / "presets" / f"{preset}.yaml"
    if named.is_file():
        return named
    if (path := Path(preset)).is_file():
        return path
    names = ", ".join(sorted(file.stem for file in (spec.folder / "presets").glob("*.yaml")))
    raise UsageError(f"There is no preset '{preset}' of {spec.name}. Known: {names or 'none'}; or name a YAML file.")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no sections; a preset has model, training, resources.")
    return content


def _override(content: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    content = copy.deepcopy(content)
    for dotted, value in overrides.items():
        *sections, key = dotted.split(".")
        target = content
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise UsageError(f"Override {dotted}: {section} is a value, not a section.")
        target[key] = value
    return content


def _keys(section: type[BaseModel], where: list[str]) -> set[str]:
    """The keys known at a place inside `section`."""
    for part in where[:-1]:
        inner = section.model_fields[part].annotation if part in section.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return set()
        section = inner
    return set(section.model_fields)


def _unknown(dotted: str, key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
    return f"there is no key {dotted}. {hint}"
