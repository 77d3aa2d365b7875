"""Job: the logged messages that are most worth a person's label."""

from __future__ import annotations

from pathlib import Path

from vitrina.jobs.result import JobResult


class LabelResult(JobResult):
    """`label_studio`: the tasks to import, `config` its labelling interface, `csv` the same tasks for a spreadsheet."""

    rows: int
    uncertain: int
    drifted: int
    csv: Path
    label_studio: Path
    config: Path


def label(
    model: str,
    predictions: Path,
    output: Path,
    *,
    count: int = 200,
    since: str | None = None,
    until: str | None = None,
) -> LabelResult:
    """Choose the most uncertain and the most drifted messages, no two alike, none that has a label already.

    The folder `output` is replaced whole. Labelled files come back through `vitrina label import`.

    Args:
        since, until: ISO 8601 moments or ages such as `24h`; default: the whole log.

    Raises:
        UsageError: a count below one, no such log or moment.
        ArtifactError: a damaged model folder, or one without reference embeddings.
        DataError: when the log holds nothing to label.
    """
    from vitrina.artifacts import read_manifest, staged_folder
    from vitrina.errors import DataError, UsageError
    from vitrina.families import catalog
    from vitrina.monitoring import feedback, labelling
    from vitrina.monitoring.drift import load_reference, reference_embeddings
    from vitrina.monitoring.predictions import read_window
    from vitrina.registry.models import resolve

    if count < 1:
        raise UsageError(f"--count must be at least 1, got {count}.")
    folder = resolve(model)
    spec = catalog.get(str(read_manifest(folder).get("family")))
    window = read_window(Path(predictions), since=since, until=until).frame
    labelled = feedback.read(Path(predictions))["request_id"]
    if spec.monitored.text not in window:
        raise DataError(f"{predictions} has no column '{spec.monitored.text}' for a person to read.")
    rows = window[~window["request_id"].isin(labelled)].assign(text=lambda frame: frame[spec.monitored.text])
    reference = load_reference(folder)
    chosen = labelling.choose(rows, spec.serving.load(folder), reference_embeddings(reference), count)
    if chosen.empty:
        raise DataError(f"{predictions} holds nothing without a label in this period.")
    output = Path(output)
    with staged_folder(output) as staged:
        known = labelling.known_labels(folder, reference, chosen)
        labelling.write_tasks(chosen, known, spec.name, staged)
    return LabelResult(
        rows=len(chosen),
        uncertain=int((chosen["reason"] == "uncertain").sum()),
        drifted=int((chosen["reason"] == "drifted").sum()),
        csv=output / labelling.TABLE,
        label_studio=output / labelling.TASKS,
        config=output / labelling.CONFIG,
    )
