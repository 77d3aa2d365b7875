"""`index.json`: which files make up the present state of an index, with their sizes and checksums.

Files are never changed once named here. A write adds files, then replaces `index.json` in one rename: a reader sees
the old state or the new one, and a writer that dies in between leaves only files that nobody names.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from vitrina.artifacts import sha256, write_text
from vitrina.errors import ArtifactError
from vitrina.search.engine import Facts

INDEX = "index.json"
FORMAT = 1


class FileFacts(msgspec.Struct, frozen=True):
    """Size in bytes and hex sha256 of one file."""

    bytes: int
    sha256: str


class SegmentFacts(msgspec.Struct, frozen=True):
    """One segment: its folder, its rows, the file that marks removed rows, and all files relative to the index."""

    name: str
    rows: int
    removed: int
    mask: str | None
    files: dict[str, FileFacts]


class Manifest(msgspec.Struct, frozen=True):
    """The state of an index."""

    engine: str
    model: str
    version: str
    dimension: int
    rows: int
    generation: int
    segments: tuple[SegmentFacts, ...]
    format: int = FORMAT

    @property
    def facts(self) -> Facts:
        """What the index says of itself."""
        return Facts(self.engine, self.model, self.version, self.dimension, self.rows, self.generation)


def read(folder: Path) -> Manifest:
    """The present state.

    Raises:
        ArtifactError: when there is no index, or it cannot be understood.
    """
    path = Path(folder) / INDEX
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"{folder} is not an index: it has no {INDEX}.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArtifactError(f"Index {folder} is damaged: {INDEX} cannot be read ({error}).") from error
    if manifest.format != FORMAT:
        raise ArtifactError(f"Index {folder} has format {manifest.format}, this Vitrina reads format {FORMAT}.")
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Make `manifest` the present state, in one rename."""
    write_text(Path(folder) / INDEX, msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode() + "\n")
    _sync(Path(folder))


def describe(folder: Path, names: list[str]) -> dict[str, FileFacts]:
    """Size and checksum of files that were just written, which are then safe on disk."""
    found = {}
    for name in names:
        path = folder / name
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        found[name] = FileFacts(path.stat().st_size, digest)
    return found


def check(folder: Path, manifest: Manifest, contents: bool = False) -> None:
    """Compare the files with the manifest: their sizes, or with `contents` their checksums too.

    Raises:
        FileNotFoundError: a file is gone: the caller may hold an old state.
        ArtifactError: a file that was cut short or changed.
    """
    for segment in manifest.segments:
        for name, facts in segment.files.items():
            size = (folder / name).stat().st_size
            if size != facts.bytes:
                raise ArtifactError(
                    f"Index {folder} is damaged: {name} has {size} bytes and should have {facts.bytes}; build it again."
                )
            if contents and sha256(folder / name) != facts.sha256:
                raise ArtifactError(f"Index {folder} is damaged: {name} does not match its checksum; build it again.")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
