"""Published data sets: listed in `data/datasets.yaml`, verified where they are, fetched where there is a network."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vitrina.artifacts import sha256
from vitrina.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

DATASETS = Path("data/datasets.yaml")
TIMEOUT = 30  # seconds without an answer


def _inside(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"{path} leads out of the data set's folder")
    return path


class Source(BaseModel):
    """Where the authors keep it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    repository: str
    commit: str = Field(pattern="^[0-9a-f]{40}$")


class DatasetFile(BaseModel):
    """One file: with the `url` it can be fetched from, or the word of how it was `converted`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Annotated[str, AfterValidator(_inside)]
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    url: str | None = None
    converted: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> DatasetFile:
        if (self.url is None) == (self.converted is None):
            raise ValueError(f"{self.path} needs either url or converted")
        return self


class Dataset(BaseModel):
    """One published set; `table` is the canonical table it feeds, where it feeds one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, AfterValidator(_inside)]
    title: str
    sources: list[Source] = Field(min_length=1)
    licence: str
    table: str | None = None
    files: list[DatasetFile] = Field(min_length=1)


class Catalogue(BaseModel):
    """`datasets.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    datasets: list[Dataset]


class Fetched(BaseModel):
    """Where a set lies now, all of its files verified, and those that could not be fetched."""

    name: str
    folder: str
    verified: int
    missing: list[str]


def read_catalogue(path: Path = DATASETS) -> list[Dataset]:
    """Every data set of `path`.

    Raises:
        UsageError: when the file is missing or does not follow its schema.
    """
    import yaml

    try:
        return Catalogue.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).datasets
    except FileNotFoundError as error:
        raise UsageError(f"{path} does not exist; run this in the project's folder or name the file.") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"{path} is not a list of data sets: {' '.join(str(error).split())}.") from error


def find(name: str, datasets: Iterable[Dataset]) -> Dataset:
    """The data set of that name.

    Raises:
        UsageError: when there is none; lists those that are.
    """
    known = {dataset.name: dataset for dataset in datasets}
    if name not in known:
        raise UsageError(f"There is no data set '{name}'. Known: {', '.join(known)}.")
    return known[name]


def fetch(dataset: Dataset, output: Path, library: Path | None = None) -> Fetched:
    """Verify the set in `library` (VITRINA_DATA) where it is there, otherwise fetch it into `output`/<name>.

    Every file is compared with its sha256; a file that arrives damaged is not kept. Files that were converted by hand
    have no public address: they are named in `missing`.

    Raises:
        DataError: for a damaged file, no network, or a set none of whose files has a public address.
    """
    if library is not None and (library / dataset.name).is_dir():
        return _verify(dataset, library / dataset.name)
    folder = output / dataset.name
    here = [file for file in dataset.files if file.url or (folder / file.path).is_file()]
    if not here:
        source = dataset.sources[0]
        raise DataError(
            f"{dataset.name} cannot be fetched: its files were converted from {source.repository}@{source.commit[:7]} "
            f"and have no public address; put its folder into the folder that VITRINA_DATA names."
        )
    for file in here:
        _retrieve(file, folder)
    return Fetched(
        name=dataset.name,
        folder=str(folder),
        verified=len(here),
        missing=[file.path for file in dataset.files if file not in here],
    )


def _verify(dataset: Dataset, folder: Path) -> Fetched:
    for file in dataset.files:
        _check(file, folder)
    return Fetched(name=dataset.name, folder=str(folder), verified=len(dataset.files), missing=[])


def _check(file: DatasetFile, folder: Path) -> None:
    path = folder / file.path
    if not path.is_file():
        raise DataError(f"{path} is missing.")
    if sha256(path) != file.sha256:
        raise DataError(f"{path} is not the published file: its sha256 is not {file.sha256[:12]}….")


def _retrieve(file: DatasetFile, folder: Path) -> None:
    """Download one file, unless the right one is there already."""
    import pooch
    import requests

    if file.url is None:
        _check(file, folder)
        return
    target = folder / file.path
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
        )
    except requests.RequestException as error:
        status = getattr(error.response, "status_code", None)
        reason = f"the server answered {status}" if status else "there is no connection"
        raise DataError(
            f"{file.url} cannot be fetched: {reason}. A copy of the set can be put where VITRINA_DATA points."
        ) from error
    except ValueError as error:  # pooch: the hash does not match; it removed the file
        raise DataError(f"{file.url} is not the published file any more: its sha256 differs.") from error
