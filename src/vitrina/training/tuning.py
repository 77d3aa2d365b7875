"""Hyperparameter search: dotted preset keys, sampled and pruned by Optuna, kept in a study that can be resumed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from transformers import TrainerCallback, TrainerState

from vitrina.errors import UsageError
from vitrina.training import engine
from vitrina.training.preset import Preset
from vitrina.training.spec import TrainingSetup

if TYPE_CHECKING:
    from optuna import Study, Trial

STUDY = "study.db"
FORM = re.compile(r"^\s*(uniform|loguniform|int|choice)\s*\((.*)\)\s*$", re.DOTALL)
SEARCH = "search"


@dataclass(frozen=True)
class Range:
    """What one key may be: `uniform(a, b)`, `loguniform(a, b)`, `int(a, b)` or `choice(a, b, …)`."""

    kind: str
    values: tuple[Any, ...]

    def draw(self, trial: Trial, key: str) -> Any:
        """One value for one trial."""
        if self.kind == "choice":
            return trial.suggest_categorical(key, self.values)
        low, high = self.values
        if self.kind == "int":
            return trial.suggest_int(key, low, high)
        return trial.suggest_float(key, low, high, log=self.kind == "loguniform")


def parse_space(search: Mapping[str, str]) -> dict[str, Range]:
    """Read dotted key → range.

    Raises:
        UsageError: an empty search, an unknown form, or ends that do not make a range.
    """
    if not search:
        raise UsageError(
            "Nothing to search: give a key and a range, e.g. training.learning_rate=loguniform(1e-5,1e-3)."
        )
    return {key: _parse(key, str(text)) for key, text in search.items()}


def _parse(key: str, text: str) -> Range:
    found = FORM.match(text)
    if not found:
        raise UsageError(f"Search {key}: '{text}' is none of uniform(a,b), loguniform(a,b), int(a,b), choice(a,b,…).")
    kind, inside = found.groups()
    if kind == "choice":
        values = tuple(yaml.safe_load(part) for part in inside.split(","))
        if len(values) < 2:
            raise UsageError(f"Search {key}: choice needs two values or more.")
        return Range(kind, values)
    try:
        ends = tuple((int if kind == "int" else float)(part) for part in inside.split(","))
        low, high = ends
    except ValueError as error:
        raise UsageError(f"Search {key}: {kind} takes two numbers, got '{inside}'.") from error
    if not low < high or (kind == "loguniform" and low <= 0):
        raise UsageError(
            f"Search {key}: {text} is not a range; the first end must be smaller, and above 0 in loguniform."
        )
    return Range(kind, ends)


def open_study(folder: Path, search: Mapping[str, str], maximise: bool, seed: int) -> Study:
    """The study kept in `folder`, new or as it was left.

    Raises:
        UsageError: when `folder` holds a search over other ranges.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="vitrina",
        storage=f"sqlite:///{folder.resolve() / STUDY}",
        direction="maximize" if maximise else "minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # a kill left it half-way
    if study.user_attrs.get(SEARCH, dict(search)) != dict(search):
        raise UsageError(f"{folder} holds a search over other ranges; give another folder, or delete it.")
    study.set_user_attr(SEARCH, dict(search))
    # Seeded by what was already tried: a resumed search must not draw its first values again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def search_best(
    study: Study,
    space: Mapping[str, Range],
    trials: int,
    load: Callable[[Mapping[str, Any]], Preset],
    setup: Callable[[Preset], TrainingSetup],
    told: Callable[[str], None],
) -> None:
    """Train until `trials` trials are finished or pruned, counting those that the study already holds.

    Args:
        load: sampled values → preset.
        setup: preset → what to train, fresh for each trial.
        told: hears one line after each trial.
    """
    import optuna

    def objective(trial: Trial) -> float:
        preset = load({key: values.draw(trial, key) for key, values in space.items()})
        metric = preset.training.metric.removeprefix("eval_")
        with tempfile.TemporaryDirectory(prefix="vitrina-trial-") as folder:
            try:
                outcome = engine.run(
                    setup(preset),
                    preset.training,
                    Path(folder),
                    name=f"trial-{trial.number}",
                    extra_callbacks=[Pruning(trial, metric)],
                )
            except engine.Diverged as error:
                raise optuna.TrialPruned(str(error)) from error
        return outcome.metrics[metric]

    def tell(study: Study, trial: Any) -> None:
        value = "pruned" if trial.value is None else f"{trial.value:.4g}"
        told(f"trial {trial.number}: {value} {trial.params}")

    done = [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED]
    left = trials - len(study.get_trials(deepcopy=False, states=done))
    study.optimize(objective, n_trials=max(0, left), callbacks=[tell])


class Pruning(TrainerCallback):
    """Reports each evaluation to Optuna and ends a trial that falls behind the median of the others."""

    def __init__(self, trial: Trial, metric: str) -> None:
        self.trial, self.metric = trial, metric
        self.evaluations = 0

    def on_evaluate(
        self, _args: Any, _state: TrainerState, _control: Any, metrics: Mapping[str, float], **_: Any
    ) -> None:
        import optuna

        self.trial.report(metrics[f"eval_{self.metric}"], self.evaluations)
        self.evaluations += 1
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"behind the median after {self.evaluations} evaluations")
