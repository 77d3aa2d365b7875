"""Build a bento from a model."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class PackageResult(JobResult):
    """The bento's tag in the local store, its folder, and the version of the model inside."""

    tag: str
    bento: Path
    version: str


def package(model: str, output: Path) -> PackageResult:
    """Build the bento of `model` into the local store and copy it to the folder `output`."""
    from vitrina.jobs.switch import source_of
    from vitrina.packaging import bento
    from vitrina.settings import disable_telemetry

    disable_telemetry()
    source = source_of(model)
    tag, folder = bento.build(source, Path(output))
    return PackageResult(tag=tag, bento=folder, version=source.version)
