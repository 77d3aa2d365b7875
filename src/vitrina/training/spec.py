"""FamilySpec: all that the jobs and the engine know about a model family."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import BaseModel

from vitrina.errors import UsageError
from vitrina.evaluation.report import Evaluation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch.utils.data import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer


@dataclass
class TrainingSetup:
    """What the engine trains: handed over by a family's `trainer.setup`.

    A model in closed form has no training rows (None): `fit` does all and gives its validation metrics.
    """

    model: PreTrainedModel
    train_dataset: Dataset | None
    eval_dataset: Dataset | None
    collator: Callable[[list[dict[str, Any]]], dict[str, Any]]
    compute_metrics: Callable[[Any], dict[str, float]] | None = None
    processing_class: PreTrainedTokenizerBase | None = None
    trainer_class: type[Trainer] | None = None
    fit: Callable[[], dict[str, float]] | None = None


@dataclass(frozen=True)
class ExportInputs:
    """What `packaging.onnx` needs to trace a model.

    Attributes:
        model: module in eval mode whose forward takes the inputs by position and returns a tuple of tensors.
        inputs: input name → example tensor; the first dimension is the batch.
        dynamic: input name → {axis: dimension name}.
        outputs: output names, in order.
        further: name → another graph of the same model (a decoder's step), written beside it as `<name>.onnx` and
            `<name>.int8.onnx`.
    """

    model: Any
    inputs: dict[str, Any]
    dynamic: dict[str, dict[int, str]]
    outputs: tuple[str, ...]
    further: dict[str, ExportInputs] = field(default_factory=dict)


class Predictor(Protocol):
    """A model folder loaded for inference by a family's `serving.load`; needs neither torch nor transformers."""

    def predict_frame(self, examples: pd.DataFrame) -> pd.DataFrame:
        """One row of predictions per example, in the columns of the family's prediction log."""

    def embed(self, examples: pd.DataFrame) -> np.ndarray:
        """One embedding per example, (rows, dimension) float32, for drift and for choosing what to label."""


class DataModule(Protocol):
    """`data.py` of a family."""

    def prepare(self, tables: Mapping[str, Path], output: Path, options: BaseModel, seed: int) -> None:
        """Write `train.parquet`, `validation.parquet`, `test.parquet` and what else training needs into `output`.

        `reference.parquet`, where it is written, has the rows that traffic is compared with; default: validation.
        """

    def read_examples(self, path: Path, split: str) -> pd.DataFrame:
        """The examples of a prepared folder's split, or of one file (CSV, JSON lines, Parquet); has `row_id`."""


class TrainerModule(Protocol):
    """`trainer.py` of a family."""

    def setup(self, data: Path, options: BaseModel, seed: int, teacher: Path | None) -> TrainingSetup:
        """Build model, datasets, collator and metrics from a prepared folder."""

    def finish(self, setup: TrainingSetup, data: Path, options: BaseModel, folder: Path) -> None:
        """Write what serving needs besides the weights (tokenizer, labels, calibration) into the model folder."""


class ModelingModule(Protocol):
    """`modeling.py` of a family."""

    def export_inputs(self, folder: Path) -> ExportInputs | None:
        """The trained model of `folder` with example inputs for the ONNX export; None: it has no network to export."""


class ServingModule(Protocol):
    """`serving.py` of a family."""

    def load(self, folder: Path, weights: str | None = None) -> Predictor:
        """Load an exported model folder; `weights` names the ONNX file (default: int8 where there is one)."""


class MetricsModule(Protocol):
    """`metrics.py` of a family."""

    def evaluate(self, predictor: Predictor, examples: pd.DataFrame) -> Evaluation:
        """The family's metrics, slices and behavioural checks on `examples`."""


@dataclass(frozen=True)
class Monitored:
    """The prediction-log columns that drift detection watches.

    Attributes:
        effects: test (`monitoring.statistics.MINIMUM_EFFECT`) → the smallest effect that counts, where it is not the
            usual one: the rows of one user are no independent sample.
    """

    categorical: tuple[str, ...] = ()
    numerical: tuple[str, ...] = ()
    text: str | None = None
    effects: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class FamilySpec:
    """One kind of model. Its modules are imported only when used.

    Attributes:
        name: registry name, folder name and preset name space.
        package: the importable package that holds `data.py`, `trainer.py` and the rest.
        summary: one sentence for the model card and `vitrina doctor`.
        tables: the canonical tables `prepare` needs.
        optional_tables: those it also uses where they are given.
        primary_metric: the metric of `Evaluation.metrics` that gates and search maximise.
        monitored: what drift detection compares.
        inputs: the columns of an example that a prediction needs: the registered model's signature.
        optional_inputs: those it also uses; they may be absent or empty.
        task: the hub's pipeline tag, for the model card.
        limits: what the card says of use and limits, a sentence each; empty: what holds for texts with a confidence.
        splits: how rows are held out, a sentence of the card; empty: by a hash of their content.
    """

    name: str
    package: str
    summary: str
    tables: tuple[str, ...]
    primary_metric: str
    monitored: Monitored
    inputs: tuple[str, ...] = ("text",)
    optional_inputs: tuple[str, ...] = ()
    optional_tables: tuple[str, ...] = ()
    task: str | None = None
    limits: tuple[str, ...] = ()
    splits: str = ""

    def _module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def options(self) -> type[BaseModel]:
        """Schema of the `model:` section of the family's presets."""
        return cast(type[BaseModel], self._module("configuration").Options)

    @property
    def data(self) -> DataModule:
        return cast(DataModule, self._module("data"))

    @property
    def trainer(self) -> TrainerModule:
        return cast(TrainerModule, self._module("trainer"))

    @property
    def modeling(self) -> ModelingModule:
        return cast(ModelingModule, self._module("modeling"))

    @property
    def serving(self) -> ServingModule:
        return cast(ServingModule, self._module("serving"))

    @property
    def metrics(self) -> MetricsModule:
        return cast(MetricsModule, self._module("metrics"))

    @property
    def folder(self) -> Path:
        """The family's source folder (presets, README)."""
        origin = importlib.import_module(self.package).__file__
        if origin is None:
            raise UsageError(f"Family package {self.package} has no folder.")
        return Path(origin).parent
