"""Registering model folders as versions, and finding them again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.artifacts import MANIFEST, sha256, staged_folder, verify_manifest
from vitrina.errors import ArtifactError, RegistryError
from vitrina.evaluation.report import Evaluation
from vitrina.families import catalog
from vitrina.registry import run
from vitrina.registry.tracking import connect, experiment_id, lock, registry_errors
from vitrina.settings import load_settings
from vitrina.training.spec import FamilySpec

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

SCHEME = "models:/"
CHAMPION = "champion"


@dataclass(frozen=True)
class RegisteredModel:
    """One registered version, the run that documents it, and its tags."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        """The reference that `resolve` understands."""
        return f"{SCHEME}{self.name}/{self.version}"

    @property
    def digest(self) -> str:
        """The sha256 of the version's manifest.

        Raises:
            RegistryError: when the version was not registered whole by Vitrina.
        """
        if run.MANIFEST_TAG not in self.tags:
            raise RegistryError(
                f"Version {self.version} of '{self.name}' is incomplete or was not registered by `vitrina register`."
            )
        return self.tags[run.MANIFEST_TAG]


def _registered(version: ModelVersion) -> RegisteredModel:
    """MLflow's entity in our words: its number is an int from the database and a str from the server."""
    return RegisteredModel(version.name, str(version.version), version.run_id or "", version.tags)


def register_model(folder: Path, evaluation: Path, lineage: Mapping[str, str] | None = None) -> RegisteredModel:
    """Register a model folder with its evaluation as a new version of its family's model.

    Everything is checked before the registry is touched; the version appears last and complete, in one transaction.

    Args:
        folder: a model folder; its manifest is verified.
        evaluation: what `Evaluation.write` wrote for this model.
        lineage: where the model comes from (`pipeline`, `pipeline_run`, `data` …); each becomes a tag.

    Raises:
        ArtifactError: a damaged folder or evaluation. RegistryError: a registry that does not answer or refuses.
    """
    manifest = verify_manifest(folder)
    spec = catalog.get(str(manifest.get("family", "")))
    report = Evaluation.read(evaluation)
    example = run.input_example(spec, folder)
    prediction = spec.serving.load(folder).predict_frame(example)
    tags = run.version_tags(folder, manifest, lineage or {})
    client = connect()
    import mlflow

    with registry_errors(f"registering {folder.name}"):
        run_id = ""
        try:
            with mlflow.start_run(experiment_id=experiment_id(client, spec.name), tags=tags) as active:
                run_id = active.info.run_id
                run.log_facts(client, run_id, folder, manifest, report)
                mlflow.log_artifacts(str(evaluation), run.EVALUATION)
                mlflow.log_input(run.dataset(manifest, lineage or {}), context="training")
                model_id = run.log_model(spec, folder, example, prediction)
            found = _create_version(client, spec, model_id, run_id, tags, report)
        except BaseException:
            # The server may be what failed; then the run stays behind, without a version and so without effect.
            with suppress(Exception):
                client.delete_run(run_id)
            raise
    return _registered(found)


def _create_version(
    client: MlflowClient,
    spec: FamilySpec,
    model_id: str,
    run_id: str,
    tags: Mapping[str, str],
    report: Evaluation,
) -> ModelVersion:
    from mlflow.exceptions import MlflowException

    quality = report.metrics.get(spec.primary_metric)
    description = spec.summary + (f" {spec.primary_metric} {quality:.4f}." if quality is not None else "")
    with lock(spec.name):
        with suppress(MlflowException):  # it exists already; anything else fails in the next call too
            client.create_registered_model(spec.name, description=spec.summary)
        try:
            return client.create_model_version(
                spec.name, f"{SCHEME}{model_id}", run_id, dict(tags), description=description, model_id=model_id
            )
        except BaseException:
            if not client.search_model_versions(f"name='{spec.name}'", max_results=1):
                client.delete_registered_model(spec.name)
            raise


def find_version(client: MlflowClient, name: str, reference: str) -> RegisteredModel:
    """The version that `reference` names: a number, or `@` and an alias.

    Raises:
        RegistryError: when the model, the version or the alias does not exist; lists those that do.
    """
    from mlflow.exceptions import MlflowException

    try:
        if reference.startswith("@"):
            return _registered(client.get_model_version_by_alias(name, reference[1:]))
        return _registered(client.get_model_version(name, reference))
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        known = [str(each.version) for each in client.search_model_versions(f"name='{name}'")]
        if not known:
            names = ", ".join(model.name for model in client.search_registered_models()) or "none"
            raise RegistryError(f"No model '{name}' is registered. Registered: {names}.") from error
        what = f"alias '{reference[1:]}'" if reference.startswith("@") else f"version {reference}"
        raise RegistryError(
            f"Model '{name}' has no {what}. Its versions: {', '.join(sorted(known, key=int))}."
        ) from error


def resolve(reference: str) -> Path:
    """A verified local folder for a model reference: a folder, `models:/<name>/<version>`, `models:/<name>@<alias>`.

    Registered versions are downloaded once, into `<home>/cache/models/<name>/<version>`.

    Raises:
        ArtifactError: a folder that is missing or damaged. RegistryError: an unknown name, version or alias.
    """
    if not str(reference).startswith(SCHEME):
        folder = Path(reference)
        verify_manifest(folder)
        return folder
    name, version = _parse(str(reference))
    client = connect()
    with registry_errors(f"looking up {reference}"):
        return fetch(find_version(client, name, version))


def _parse(reference: str) -> tuple[str, str]:
    rest = reference.removeprefix(SCHEME)
    name, alias_mark, alias = rest.partition("@")
    if alias_mark:
        version = f"@{alias}"
    else:
        name, _, version = rest.partition("/")
    if not name or version in ("", "@") or "/" in version:
        raise RegistryError(
            f"'{reference}' is not a model reference; write {SCHEME}<name>/<version> or {SCHEME}<name>@<alias>."
        )
    return name, version


def fetch(version: RegisteredModel) -> Path:
    """The local folder of a registered version, from the cache where it is there and whole."""
    target = load_settings().home.resolve() / "cache" / "models" / version.name / version.version
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(f"cache-{version.name}-{version.version}"):
        if not _is_whole(target, version.digest):
            _download(version, target)
    return target


def _is_whole(folder: Path, digest: str) -> bool:
    """Whether `folder` holds exactly this version: numbers start again at 1 when a registry is made anew."""
    try:
        verify_manifest(folder)
    except ArtifactError:
        return False
    return sha256(folder / MANIFEST) == digest


def _download(version: RegisteredModel, target: Path) -> None:
    import mlflow

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download.") as temporary:
        root = Path(mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=temporary))
        folder = next((path.parent for path in root.glob(f"artifacts/*/{MANIFEST}")), root)
        if not _is_whole(folder, version.digest):
            raise ArtifactError(f"The registry's files of {version.uri} are damaged: they do not match its manifest.")
        with staged_folder(target) as staging:
            shutil.copytree(folder, staging, dirs_exist_ok=True)
