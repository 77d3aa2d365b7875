"""Build a bento, from a model or of a service that serves none."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class PackageResult(JobResult):
    """The bento's tag in the local store, its folder, and its version: that of the model inside, if there is one."""

    tag: str
    bento: Path
    version: str


def package(model: str, output: Path) -> PackageResult:
    """Build the bento of `model`, or of the service of that name, into the local store and copy it to `output`."""
    from vitrina import __version__
    from vitrina.jobs.serve import serves_no_model
    from vitrina.jobs.switch import source_of
    from vitrina.packaging import bento
    from vitrina.settings import disable_telemetry

    disable_telemetry()
    if serves_no_model(model):
        tag, folder = bento.build_service(model, Path(output))
        return PackageResult(tag=tag, bento=folder, version=__version__)
    source = source_of(model)
    tag, folder = bento.build(source, Path(output))
    return PackageResult(tag=tag, bento=folder, version=source.version)
