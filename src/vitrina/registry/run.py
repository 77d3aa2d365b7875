"""What the MLflow run of a version documents: parameters, metrics, card, data and the model itself."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.artifacts import MANIFEST, read_json, sha256
from vitrina.errors import ArtifactError
from vitrina.evaluation.report import Evaluation
from vitrina.families import catalog
from vitrina.training.spec import FamilySpec

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

EVALUATION = "evaluation"  # the run's folder of evaluation files
MANIFEST_TAG = "vitrina.manifest"  # sha256 of the manifest: only versions that were registered whole have it
PARAMS_PER_CALL = 100  # MLflow's limit


def input_example(spec: FamilySpec, folder: Path) -> pd.DataFrame:
    """Two inputs of the family from the folder's drift reference, those that know most of the optional ones.

    Maps and lists stay out: MLflow's signature has no type for them that pandas keeps.

    Raises:
        ArtifactError: when the folder has no reference, or one without the family's inputs.
    """
    import pandas as pd

    path = folder / "reference.parquet"
    if not path.is_file():
        raise ArtifactError(f"Model folder {folder} has no {path.name}, so no input example can be made.")
    reference = pd.read_parquet(path)
    if missing := [column for column in spec.inputs if column not in reference]:
        raise ArtifactError(f"{path} has no column {', '.join(missing)}, which a prediction of {spec.name} needs.")
    optional = [name for name in spec.optional_inputs if name in reference and _is_scalar(reference[name])]
    fullest = reference[optional].notna().sum(axis=1).nlargest(2).index if optional else reference.index[:2]
    example = reference.loc[fullest, [*spec.inputs, *optional]].reset_index(drop=True)
    return example.dropna(axis=1, how="all")


def _is_scalar(column: pd.Series) -> bool:
    known = column.dropna()
    return len(known) > 0 and isinstance(known.iloc[0], str | int | float | bool)


def version_tags(folder: Path, manifest: Mapping[str, Any], lineage: Mapping[str, str]) -> dict[str, str]:
    """Tags of the run and the version: family, versions of code, data and package, checksum, lineage."""
    facts = {name: manifest[name] for name in ("family", "code_version", "data_version") if name in manifest}
    if manifest.get("run_id"):  # where training itself reported to MLflow
        facts["training_run"] = manifest["run_id"]
    facts |= {"package_version": installed_version("vitrina"), **lineage}
    return {f"vitrina.{name}": str(value) for name, value in facts.items()} | {MANIFEST_TAG: sha256(folder / MANIFEST)}


def log_facts(client: MlflowClient, run_id: str, folder: Path, manifest: Mapping[str, Any], report: Evaluation) -> None:
    """Parameters, metrics and the model card, in as few calls as MLflow allows."""
    from mlflow.entities import Metric, Param

    settings = flat({name: manifest[name] for name in ("seed", "teacher", "preset") if name in manifest})
    params = [Param(name, str(value)) for name, value in settings.items() if value is not None]
    for start in range(0, len(params), PARAMS_PER_CALL):
        client.log_batch(run_id, params=params[start : start + PARAMS_PER_CALL])
    now = int(time.time() * 1000)
    measured = {**report.metrics, **folder_metrics(folder)}
    client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in measured.items()])
    if (folder / "README.md").is_file():
        client.log_artifact(run_id, str(folder / "README.md"))


def folder_metrics(folder: Path) -> dict[str, float]:
    """What a model folder says: `validation.*` and `training.*` (its metrics.json), `parity.*` (parity.json)."""
    report = read_json(folder / "metrics.json") if (folder / "metrics.json").is_file() else {}
    parity = read_json(folder / "parity.json") if (folder / "parity.json").is_file() else {}
    sections = {"validation": report.get("metrics", {}), "training": report.get("training", {}), "parity": parity}
    return {
        name: float(value)
        for name, value in flat(sections).items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted names; lists count as values."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def dataset(manifest: Mapping[str, Any], lineage: Mapping[str, str]) -> Any:
    """The training data as MLflow's dataset: `lineage["data"]` says where it is, the data version is its digest."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    digest = str(manifest.get("data_version", "unknown"))[:36]  # MLflow's limit
    source = (
        resolve_dataset_source(lineage["data"]) if "data" in lineage else CodeDatasetSource({"data_version": digest})
    )
    return MetaDataset(source, name=str(manifest.get("family")), digest=digest)


def log_model(spec: FamilySpec, folder: Path, example: pd.DataFrame, prediction: pd.DataFrame) -> str:
    """Log the folder as a pyfunc model from code into the active run; returns its id."""
    import mlflow

    distributions = {"vitrina", catalog.distribution(spec.name)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about missing integers, meant for frames of training data
        info = mlflow.pyfunc.log_model(
            name=spec.name,
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"folder": str(folder)},
            model_config={"family": spec.name},
            signature=mlflow.models.infer_signature(example, prediction),
            input_example=example,
            pip_requirements=[f"{name}=={installed_version(name)}" for name in sorted(distributions)],
        )
    return info.model_id
