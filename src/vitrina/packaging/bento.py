"""A bento: service code, this package's source, the model if it serves one, locked requirements; by `bentoml build`.

Vitrina never imports bentoml: it runs the command of the same environment.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import vitrina
from vitrina.artifacts import (
    PACKED_FROM,
    folder_files,
    folder_version,
    read_manifest,
    staged_folder,
    verify_manifest,
    write_manifest,
    write_text,
)
from vitrina.errors import ServiceError, UsageError
from vitrina.serving.runtime import Source, point
from vitrina.settings import load_settings

REQUIREMENTS = (
    "bentoml",
    "httptools",
    "msgspec",
    "numpy",
    "onnxruntime",
    "prometheus-client",
    "pydantic-settings",
    "python-multipart",
    "tokenizers",
    "uvloop",
)
"""What every service imports (uvloop and httptools: uvicorn is half as fast without); locked with all they need."""

EXTRA = "requirements.in"
"""File of a bento's source folder: what its service imports besides, one distribution a line, `#` starts a comment."""

LEFT_OUT = ("model.safetensors", "model-*.safetensors", "model.safetensors.index.json", "reference.parquet")
"""The trained weights, which are served as ONNX, and the drift reference."""

IGNORED = "__pycache__/\n*.pyc\ntests/\n.git/\n.venv/\n"


def service_folder(name: str) -> Path:
    """The bento source of a family or service: `bentos/<name>` of the working folder or of the source checkout.

    Raises:
        UsageError: when there is none.
    """
    roots = (Path.cwd(), Path(vitrina.__file__).parents[2])
    for root in roots:
        folder = root / "bentos" / name
        if (folder / "service.py").is_file():
            return folder
    raise UsageError(f"There is no bentos/{name}/service.py here: run this in the project's folder.")


def build(source: Source, output: Path) -> tuple[str, Path]:
    """Build the bento of a model into the local store and copy it to `output`; returns its tag and that folder.

    Raises:
        ServiceError: when `bentoml build` fails; says its last line.
    """
    verify_manifest(source.folder)
    with tempfile.TemporaryDirectory(prefix="vitrina-bento-") as temporary:
        context = Path(temporary)
        _fill(context, source.model)
        _copy_model(source.folder, context / "model")
        point(context / "model.json", Path("model"), source.model, source.version)
        return _built(context, source.model, source.version, output)


def build_service(name: str, output: Path) -> tuple[str, Path]:
    """Build the bento of a service that serves no model; its version is Vitrina's. Otherwise as `build`."""
    with tempfile.TemporaryDirectory(prefix="vitrina-bento-") as temporary:
        context = Path(temporary)
        _fill(context, name)
        return _built(context, name, vitrina.__version__, output)


def _built(context: Path, name: str, version: str, output: Path) -> tuple[str, Path]:
    tag = f"{name}:{version}"
    stored = _stored(tag)
    if stored.exists():  # the same version packed again: the service's code may have changed
        shutil.rmtree(stored)
    _bentoml("build", str(context), "--version", version, "-o", "tag")
    with staged_folder(output) as staging:
        shutil.copytree(stored, staging, dirs_exist_ok=True)
    return tag, output


def _stored(tag: str) -> Path:
    return bentoml_home() / "bentos" / tag.replace(":", "/")


def bentoml_home() -> Path:
    """The bento store under Vitrina's home."""
    return load_settings().home.resolve() / "bentoml"


def bentoml_command(*arguments: str) -> list[str]:
    """The command line of this environment's bentoml."""
    return [sys.executable, "-m", "bentoml", *arguments]


def _fill(context: Path, name: str) -> None:
    """Lay out the code that a bento holds and what it needs."""
    service = service_folder(name)
    shutil.copytree(service, context, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    package = Path(vitrina.__file__).parent
    shutil.copytree(package, context / "vitrina", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    names = [*REQUIREMENTS, *extra_requirements(service)]
    write_text(context / "requirements.txt", "\n".join(locked(names)) + "\n")
    write_text(context / ".bentoignore", IGNORED)


def extra_requirements(service: Path) -> list[str]:
    """The distributions that a bento's source folder asks for beyond `REQUIREMENTS`.

    Raises:
        UsageError: when one of them is not installed here, so that it could not be locked.
    """
    path = service / EXTRA
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [name for line in lines if (name := line.partition("#")[0].strip())]
    for name in names:
        try:
            distribution(name.partition("[")[0])
        except PackageNotFoundError:
            raise UsageError(f"{path} asks for {name}, which is not installed here.") from None
    return names


def _copy_model(source: Path, target: Path) -> None:
    """The files that serving reads, with a manifest of their own and permissions that a non-root container can read."""
    names = folder_files(source)
    unused = {"model.onnx"} if "model.int8.onnx" in names else set()
    for name in names:
        if name in unused or any(fnmatch(name, pattern) for pattern in LEFT_OUT):
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
        (target / name).chmod(0o644)
    facts = {key: value for key, value in read_manifest(source).items() if key != "files"}
    write_manifest(target, **{**facts, PACKED_FROM: folder_version(source)})


def locked(names: Iterable[str]) -> list[str]:
    """`name==version` of the named distributions and all that they need, as installed here."""
    from packaging.requirements import Requirement

    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        key = f"{name}[{','.join(sorted(requirement.extras))}]" if requirement.extras else name
        if key in found:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue  # asked for on another platform or by an extra that is not installed
        found[key] = f"{name}=={installed.version.partition('+')[0]}"
        for line in installed.requires or []:
            needed = Requirement(line)
            extras = requirement.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return sorted(set(found.values()))


def _bentoml(*arguments: str) -> str:
    from os import environ

    from vitrina.settings import TELEMETRY_OFF

    home = bentoml_home()
    home.mkdir(parents=True, exist_ok=True)
    env = {**environ, **TELEMETRY_OFF, "BENTOML_HOME": str(home)}
    done = subprocess.run(bentoml_command(*arguments), env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise ServiceError(f"bentoml {arguments[0]} failed: {last[0]}")
    return done.stdout
