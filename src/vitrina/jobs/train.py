"""A prepared folder → a trained, exported, quantized model folder with its card and manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.prepare import PREPARED, SPLITS
from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from vitrina.evaluation.report import Evaluation
    from vitrina.training.engine import TrainOutcome
    from vitrina.training.preset import Preset
    from vitrina.training.spec import FamilySpec, TrainingSetup

METRICS = "metrics.json"
REFERENCE = "reference.parquet"
NOTES = "notes.md"
"""What `finish` writes for the card beyond what every family has, a section of Markdown."""


class TrainResult(JobResult):
    """The model folder, its validation metrics as served, and the seconds spent training."""

    family: str
    model: str
    metrics: dict[str, float]
    seconds: float


def train(
    family: str,
    data: Path,
    output: Path,
    *,
    preset: str = "base",
    overrides: Mapping[str, Any] | None = None,
    teacher: str | None = None,
    checkpoints: Path | None = None,
) -> TrainResult:
    """Train one model; an interrupted call, made again, goes on where it was and ends with the same weights.

    Args:
        data: a folder written by `prepare`.
        output: the model folder; it appears whole or not at all.
        preset: a preset of the family, or a YAML file; `overrides` are dotted keys.
        teacher: model folder or registry reference to distil. Where the preset names a teacher preset and none is
            given, it is trained first, into `<output>.teacher`, and reused while data and preset are the same.
        checkpoints: where checkpoints go; default `<output>.checkpoints`. Removed once the model is written.

    Raises:
        UsageError: unknown family, preset or key, or data that was not prepared for the family.
        ArtifactError: the model cannot be written, or the teacher is damaged.
    """
    from vitrina.families import catalog
    from vitrina.registry.models import resolve
    from vitrina.training import distributed
    from vitrina.training.preset import load_preset

    spec, data, output = catalog.get(family), Path(data), Path(output)
    resolved = load_preset(spec, preset, overrides)
    version = _data_version(spec, data)
    teacher = teacher or _own_teacher(spec, data, output, version, resolved)
    if resolved.training.num_processes > 1 and not distributed.is_worker():
        arguments = _command(family, data, output, preset, overrides, teacher, checkpoints)
        distributed.launch(arguments, resolved.training.num_processes)
        return _result(spec, output)
    facts = {"family": spec.name, "data_version": version, "preset": _dump(resolved), "teacher": _named(teacher)}
    folder = resolve(teacher) if teacher else None
    root = Path(checkpoints or output.with_name(f"{output.name}.checkpoints"))
    own = root / _digest(facts, folder)  # so that checkpoints of another request are never taken for this one's
    setup, outcome = _fit(spec, data, resolved, folder, own)
    distributed.leave()
    if not distributed.is_main():
        return TrainResult(family=family, model=str(output), metrics=outcome.metrics, seconds=outcome.seconds)
    _save(spec, data, output, resolved, setup, outcome, facts)
    _discard(root, own)
    return _result(spec, output)


def _fit(
    spec: FamilySpec, data: Path, preset: Preset, teacher: Path | None, checkpoints: Path
) -> tuple[TrainingSetup, TrainOutcome]:
    from vitrina.training import engine
    from vitrina.training.reproducibility import seed_everything

    seed_everything(preset.training.seed)
    setup = spec.trainer.setup(data, preset.model, preset.training.seed, teacher)
    return setup, engine.run(setup, preset.training, checkpoints, name=f"{spec.name}-{preset.name}")


def _save(
    spec: FamilySpec,
    data: Path,
    output: Path,
    preset: Preset,
    setup: TrainingSetup,
    outcome: TrainOutcome,
    facts: dict[str, Any],
) -> None:
    """Write the model folder: weights, what serving needs, exports, drift reference, metrics, card, manifest."""
    from vitrina.artifacts import staged_folder, write_json, write_manifest
    from vitrina.packaging import export_model
    from vitrina.training.model_card import write_card
    from vitrina.training.reproducibility import code_version, environment

    with staged_folder(output) as folder:
        _write_weights(setup.model, folder)
        spec.trainer.finish(setup, data, preset.model, folder)
        export = export_model(spec, folder, data)
        measured = _measure(spec, data, folder)
        figures = {"seconds": outcome.seconds, "steps": outcome.steps, "best_step": outcome.best_step}
        report = {
            "metrics": measured.metrics,
            "slices": measured.slices,
            "behaviour": measured.behaviour,
            "training": {**figures, **outcome.metrics},
            "history": outcome.history,
            "export": export,
        }
        write_json(folder / METRICS, report)
        known = {**facts, "name": output.name, "seed": preset.training.seed, "code_version": code_version()}
        about = {"environment": environment(), "files": measured.write_files(folder), **_about_data(data)}
        card = {**known, **report, **about, "summary": spec.summary, "decisions": _decisions(folder)}
        base = facts["preset"]["model"].get("encoder")
        notes = (folder / NOTES).read_text(encoding="utf-8") if (folder / NOTES).is_file() else None
        own = {"task": spec.task, "limits": spec.limits, "splits": spec.splits, "notes": notes}
        write_card(folder / "README.md", {**card, **own, "base_model": base})
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # weights come as 0600: no other user could serve them
        write_manifest(
            folder,
            **known,
            created_at=datetime.now(UTC).isoformat(),
            run_id=outcome.run_id,
            libraries=about["environment"]["libraries"],
        )


def _measure(spec: FamilySpec, data: Path, folder: Path) -> Evaluation:
    """Evaluate the exported model on the validation rows, and keep answers as the drift reference.

    The reference answers the rows of `reference.parquet`, where `prepare` wrote one, else the validation rows.
    """
    examples = spec.data.read_examples(data, "validation")
    predictor = spec.serving.load(folder)
    like_traffic = spec.data.read_examples(data, "reference") if (data / REFERENCE).is_file() else examples
    # Traffic has what a prediction needs; rows that only teach something else (reviews beside products) do not.
    asked = like_traffic.dropna(subset=[column for column in spec.inputs if column in like_traffic])
    asked = like_traffic if asked.empty else asked
    reference = predictor.predict_frame(asked)
    for column in (*spec.inputs, *spec.optional_inputs):  # a reference row is also an example of what the model takes
        if column not in reference and column in asked:
            reference[column] = asked[column].to_numpy()
    reference["embedding"] = list(predictor.embed(asked))
    reference.to_parquet(folder / REFERENCE, index=False)
    return spec.metrics.evaluate(predictor, examples)


def _own_teacher(spec: FamilySpec, data: Path, output: Path, version: str, preset: Preset) -> str | None:
    """The teacher the preset names: the one beside `output` where it still fits, else a new one."""
    from vitrina.artifacts import verify_manifest
    from vitrina.errors import ArtifactError
    from vitrina.training.preset import load_preset

    if preset.teacher is None:
        return None
    folder = output.with_name(f"{output.name}.teacher")
    wanted = {"data_version": version, "preset": _dump(load_preset(spec, preset.teacher))}
    try:
        manifest = verify_manifest(folder)
    except ArtifactError:
        manifest = {}
    if {name: manifest.get(name) for name in wanted} != wanted:
        train(spec.name, data, folder, preset=preset.teacher)
    return str(folder)


def _data_version(spec: FamilySpec, data: Path) -> str:
    from vitrina.artifacts import digest_of, read_json
    from vitrina.errors import UsageError

    parts = [data / f"{split}.parquet" for split in SPLITS]
    for part in parts:
        if not part.is_file():
            raise UsageError(
                f"{data} is not a prepared folder: {part.name} is missing; run `vitrina prepare {spec.name}`."
            )
    prepared = data / PREPARED
    family = read_json(prepared).get("family", spec.name) if prepared.is_file() else spec.name
    if family != spec.name:
        raise UsageError(f"{data} was prepared for {family}, not for {spec.name}.")
    return digest_of(parts)


def _about_data(data: Path) -> dict[str, Any]:
    """Rows of each split, and of each language where the rows say it."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    files = {split: pq.ParquetFile(data / f"{split}.parquet") for split in SPLITS}
    about: dict[str, Any] = {"rows": {split: file.metadata.num_rows for split, file in files.items()}}
    if "language" in files["train"].schema_arrow.names:
        counts = pc.value_counts(files["train"].read(["language"])["language"])
        about["languages"] = {str(one["values"]): one["counts"] for one in counts.to_pylist()}
    return about


def _decisions(folder: Path) -> dict[str, float]:
    """The numbers of `labels.json`: temperature and thresholds."""
    from vitrina.artifacts import read_json

    path = folder / "labels.json"
    content = read_json(path) if path.is_file() else {}
    return {name: value for name, value in content.items() if isinstance(value, int | float)}


def _command(
    family: str,
    data: Path,
    output: Path,
    preset: str,
    overrides: Mapping[str, Any] | None,
    teacher: str | None,
    checkpoints: Path | None,
) -> list[str]:
    """This call as a command line."""
    command = ["train", family, "--data", str(data), "--output", str(output), "--preset", preset]
    for key, value in (overrides or {}).items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    command += ["--teacher", teacher] if teacher else []
    return command + (["--checkpoints", str(checkpoints)] if checkpoints else [])


def _result(spec: FamilySpec, output: Path) -> TrainResult:
    from vitrina.artifacts import read_json

    report = read_json(output / METRICS)
    seconds = report["training"]["seconds"]
    return TrainResult(family=spec.name, model=str(output), metrics=report["metrics"], seconds=seconds)


def _named(teacher: str | None) -> str | None:
    """A teacher as card and manifest call it: a registry reference, or the folder's name without its path."""
    return teacher if teacher is None or teacher.startswith("models:/") else Path(teacher).name


def _dump(preset: Preset) -> dict[str, Any]:
    """What of a preset decides the weights."""
    return preset.model_dump(mode="json", include={"name", "model", "training", "teacher"})


def _digest(facts: Mapping[str, Any], teacher: Path | None) -> str:
    import hashlib

    from vitrina.artifacts import MANIFEST, sha256

    taught = sha256(teacher / MANIFEST) if teacher else None
    return hashlib.sha256(json.dumps([facts, taught], sort_keys=True).encode()).hexdigest()[:16]


def _discard(root: Path, used: Path) -> None:
    """Remove this training's checkpoints; those of others in the same folder stay."""
    import shutil

    shutil.rmtree(used, ignore_errors=True)
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()


def _write_weights(model: PreTrainedModel, folder: Path) -> None:
    from safetensors import SafetensorError

    from vitrina.errors import ArtifactError

    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # its way to report a failed write
        raise ArtifactError(f"Cannot write the weights: {error}. Nothing was changed.") from error
