"""Build pipelines by name, and compile them to the YAML that a Kubeflow cluster takes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from kfp.compiler import Compiler
from kfp.components import load_component_from_file
from kfp.dsl.base_component import BaseComponent
from pydantic import BaseModel, ConfigDict

from components._base import IMAGE
from pipelines.embedding import embedding
from pipelines.placement import Placement
from pipelines.retraining import retraining
from pipelines.training import training
from vitrina.artifacts import write_text
from vitrina.errors import UsageError
from vitrina.jobs.resources import resources

PIPELINES = {"training": training, "retraining": retraining, "embedding": embedding}
COMPILED = Path(__file__).parent / "compiled"
VARIANTS = Path(__file__).parent / "variants.yaml"


class Variant(BaseModel):
    """One compiled file: a pipeline, and the family and preset whose resources its training task gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    family: str = ""
    preset: str = "base"
    image: str = IMAGE

    def build(self) -> BaseComponent:
        """The pipeline.

        Raises:
            UsageError: an unknown pipeline, family or preset.
        """
        if self.pipeline not in PIPELINES:
            raise UsageError(f"There is no pipeline '{self.pipeline}'. Known: {', '.join(PIPELINES)}.")
        placement = Placement(self.image, self.preset, resources(self.family, self.preset))
        return PIPELINES[self.pipeline](placement)


def variants() -> dict[str, Variant]:
    """The committed files: name → what it is compiled from."""
    content: dict[str, Any] = yaml.safe_load(VARIANTS.read_text(encoding="utf-8"))
    return {name: Variant(**fields) for name, fields in content.items()}


def compile_to(variant: Variant, output: Path) -> None:
    """Write the YAML, the same bytes for the same variant: document 1 the pipeline, document 2 the platform."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        Compiler().compile(variant.build(), str(file))
        write_text(output, file.read_text(encoding="utf-8"))


def load(name: str) -> BaseComponent:
    """A pipeline to run: by name, or from the path of a compiled YAML file.

    Raises:
        UsageError: neither.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        if not Path(name).is_file():
            raise UsageError(f"{name} does not exist.")
        return load_component_from_file(name)
    return Variant(pipeline=name).build()
