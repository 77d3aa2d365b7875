"""Checkpoint folders count only once they are whole: resume never reads one that a kill left half-written."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers.trainer_utils import rotate_checkpoints, sort_checkpoints

from vitrina.artifacts import read_json, write_json
from vitrina.errors import ArtifactError

COMPLETE = "complete.json"


def seal(checkpoint: Path) -> None:
    """Declare a checkpoint whole by listing its files and their sizes."""
    sizes = {path.name: path.stat().st_size for path in checkpoint.iterdir() if path.is_file()}
    write_json(checkpoint / COMPLETE, sizes)


def is_whole(checkpoint: Path) -> bool:
    """Whether every file the seal lists is there in full."""
    try:
        sizes = read_json(checkpoint / COMPLETE)
    except ArtifactError:
        return False
    return all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items()
    )


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint of a training, or None."""
    found = [Path(path) for path in sort_checkpoints(str(folder))] if folder.is_dir() else []
    return next((path for path in reversed(found) if is_whole(path)), None)


def discard_partial(folder: Path) -> None:
    """Delete what a kill left half-written; its step number would pass for the newest."""
    for path in sort_checkpoints(str(folder)):
        if not is_whole(Path(path)):
            shutil.rmtree(path)


def at_step(folder: Path, step: int) -> Path:
    """Where the checkpoint of an optimizer step lies."""
    return folder / f"checkpoint-{step}"


def rotate(folder: Path, keep: int, best: Path | None) -> None:
    """Delete the oldest checkpoints beyond `keep`; the last and `best` stay."""
    rotate_checkpoints(str(folder), keep, str(best) if best else None)
