"""Folders that appear whole or not at all, and the manifest that proves what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitrina.errors import ArtifactError

MANIFEST = "manifest.json"
PACKED_FROM = "packed_from"
"""The manifest's entry by which a bento's copy of a model, which lacks some files, names the folder it was made of."""


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `target`; on success it replaces `target` by rename, on error it is removed.

    An existing `target` stays readable until the new folder is complete. A full disk leaves no half folder.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)  # mkdtemp makes 0700, which a non-root container could not read
        _swap(staging, target)
    except OSError as error:
        raise ArtifactError(f"Cannot write {target}: {error.strerror or error}. Nothing was changed.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(staging: Path, target: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.rename(old / target.name)
    try:
        staging.rename(target)
    except OSError:
        (old / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically: a reader sees the old file or the new one, never a part."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text atomically, UTF-8."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one is an ArtifactError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}.") from error


def sha256(path: Path) -> str:
    """Hex digest of one file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_files(folder: Path) -> list[str]:
    """Every file below `folder` but the manifest, as sorted relative POSIX paths."""
    files = (p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())
    return sorted(name for name in files if name != MANIFEST)


def write_manifest(folder: Path, **facts: Any) -> dict[str, Any]:
    """Write `manifest.json`: sha256 of every file plus `facts` (versions, config, seed)."""
    manifest = {**facts, "files": {name: sha256(Path(folder) / name) for name in folder_files(folder)}}
    write_json(Path(folder) / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a model folder, its files unchecked."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a model folder: it does not exist.")
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(f"{folder} is not a model folder: it has no {MANIFEST}.")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ArtifactError(f"{folder / MANIFEST} lists no files.")
    return manifest


def folder_version(folder: Path) -> str:
    """What tells model folders apart: the start of the manifest's digest; a packed copy keeps its original's.

    Raises:
        ArtifactError: when it has no manifest.
    """
    original = read_manifest(folder).get(PACKED_FROM)
    return str(original) if original else sha256(Path(folder) / MANIFEST)[:12]


def verify_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after comparing every file with its checksum.

    Raises:
        ArtifactError: names the files that are missing or changed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise ArtifactError(f"Model folder {folder} is damaged: {name} is missing.")
        if sha256(folder / name) != digest:
            raise ArtifactError(f"Model folder {folder} is damaged: {name} does not match its checksum.")
    return manifest


def digest_of(paths: list[Path]) -> str:
    """One short digest over the contents of files, in the given order: a data version."""
    whole = hashlib.sha256("".join(sha256(path) for path in paths).encode())
    return whole.hexdigest()[:16]
