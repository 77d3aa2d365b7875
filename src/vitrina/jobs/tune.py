"""A prepared folder and ranges for preset keys → the best preset found, and the table of all that was tried."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.jobs.result import JobResult

if TYPE_CHECKING:
    from optuna import Study


class TuneResult(JobResult):
    """The best trial; `preset` is a YAML file that `train --preset` takes, `table` a CSV of all trials."""

    family: str
    metric: str
    value: float
    best: dict[str, Any]
    trials: int
    pruned: int
    preset: str
    table: str


def tune(
    family: str,
    data: Path,
    output: Path,
    search: Mapping[str, str] | Path,
    *,
    preset: str = "base",
    overrides: Mapping[str, Any] | None = None,
    trials: int = 20,
    teacher: str | None = None,
) -> TuneResult:
    """Search preset keys for the best validation metric (`training.metric` of the preset).

    Args:
        data: a folder written by `prepare`.
        output: folder for the study, `trials.csv` and `best.yaml`; an interrupted search goes on from it.
        search: dotted key → range, e.g. `{"training.learning_rate": "loguniform(1e-5,1e-3)"}`; or a YAML file with
            these under `search:`.
        trials: how many in all, pruned ones included.

    Raises:
        UsageError: an unknown key or range, or `output` of another search.
    """
    from vitrina.artifacts import write_text
    from vitrina.errors import UsageError
    from vitrina.families import catalog
    from vitrina.registry.models import resolve
    from vitrina.training import tuning
    from vitrina.training.preset import Preset, load_preset
    from vitrina.training.reproducibility import seed_everything
    from vitrina.training.spec import TrainingSetup

    spec, data, output = catalog.get(family), Path(data), Path(output)
    ranges = _read(search)
    space = tuning.parse_space(ranges)
    options = load_preset(spec, preset, overrides).training
    folder = resolve(teacher) if teacher else None

    def load(values: Mapping[str, Any]) -> Preset:
        return load_preset(spec, preset, {**(overrides or {}), **values})

    def setup(chosen: Preset) -> TrainingSetup:
        seed_everything(chosen.training.seed)
        return spec.trainer.setup(data, chosen.model, chosen.training.seed, folder)

    study = tuning.open_study(output, ranges, options.maximise, options.seed)
    tuning.search_best(study, space, trials, load, setup, lambda line: print(line, file=sys.stderr, flush=True))
    if not study.best_trials:
        raise UsageError("No trial was finished: every one diverged or was pruned; search gentler values.")
    write_text(output / "best.yaml", _as_yaml(load(study.best_params)))
    write_text(output / "trials.csv", _table(study))
    return _result(spec.name, options.metric, study, output)


def _result(family: str, metric: str, study: Study, output: Path) -> TuneResult:
    return TuneResult(
        family=family,
        metric=metric,
        value=study.best_value,
        best=study.best_params,
        trials=len(study.trials),
        pruned=sum(trial.state.name == "PRUNED" for trial in study.trials),
        preset=str(output / "best.yaml"),
        table=str(output / "trials.csv"),
    )


def _read(search: Mapping[str, str] | Path) -> dict[str, str]:
    import yaml

    from vitrina.errors import UsageError

    if isinstance(search, Mapping):
        return dict(search)
    try:
        content = yaml.safe_load(Path(search).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"Cannot read the search file {search}: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("search"), dict):
        raise UsageError(f"{search} has no `search:` section of key: range.")
    return {str(key): str(text) for key, text in content["search"].items()}


def _as_yaml(preset: Any) -> str:
    import yaml

    return yaml.safe_dump(preset.model_dump(mode="json", exclude={"name"}), sort_keys=False, allow_unicode=True)


def _table(study: Study) -> str:
    frame = study.trials_dataframe(attrs=("number", "state", "value", "duration", "params"))
    return frame.sort_values("value", ascending=study.direction.name == "MINIMIZE").to_csv(index=False)
