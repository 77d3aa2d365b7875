"""Every switch of the engine changes what it says it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import IterableDataset
from toy_family.trainer import collate, noisy, toy_setup

from tests.toy_training import BASE, distance, watch
from vitrina.errors import UsageError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import Diverged, OutOfMemory, run

# What is learnt -------------------------------------------------------------------------------------------------------


def test_training_learns(fit: Any) -> None:
    _, outcome = fit(epochs=6, metric="accuracy")
    assert outcome.metrics["accuracy"] > 0.85
    assert {"loss", "accuracy"} == set(outcome.metrics)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(fit: Any) -> None:
    first, second = fit(toy_setup(collator=noisy))[0], fit(toy_setup(collator=noisy))[0]
    assert distance(first, second) == 0
    assert distance(first, fit(toy_setup(collator=noisy), seed=8)[0]) > 0


def test_the_model_ends_with_the_weights_of_the_best_step(fit: Any) -> None:
    setup = toy_setup()
    _, outcome = fit(setup, epochs=6, learning_rate=0.1, metric="accuracy")
    evaluations = {entry["step"]: entry["eval_accuracy"] for entry in outcome.history if "eval_accuracy" in entry}
    assert outcome.metrics["accuracy"] == max(evaluations.values()) == evaluations[outcome.best_step]
    batch = collate([setup.eval_dataset[row] for row in range(len(setup.eval_dataset))])
    with torch.inference_mode():
        predicted = setup.model.eval()(**batch).logits.argmax(1)
    assert float((predicted == batch["labels"]).float().mean()) == outcome.metrics["accuracy"]


def test_metric_and_direction_choose_the_step_that_is_kept(fit: Any) -> None:
    options = {"epochs": 8, "learning_rate": 0.2}
    lowest = fit(**options, metric="loss")[1]
    highest = fit(**options, metric="loss", greater_is_better=True)[1]
    assert lowest.metrics["loss"] < highest.metrics["loss"]


def test_a_metric_that_is_not_measured_is_named(fit: Any) -> None:
    with pytest.raises(UsageError, match="metric f1 is not measured; there are: accuracy, loss"):
        fit(metric="f1")


def test_a_training_that_diverges_says_so(fit: Any) -> None:
    setup = toy_setup()
    with torch.no_grad():
        setup.model.head.weight.fill_(float("nan"))
    with pytest.raises(Diverged, match="lower training.learning_rate"):
        fit(setup)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"batch_size": 32}, "batch_size=16 with training.gradient_accumulation=2, or training.gradient_checkpointing"),
        ({"batch_size": 1}, "hold a step of 1 rows: try training.gradient_checkpointing=true"),
    ],
)
def test_a_step_that_the_accelerator_cannot_hold_says_what_to_change(
    fit: Any, monkeypatch: pytest.MonkeyPatch, options: Any, advice: str
) -> None:
    setup = toy_setup()

    def full(**batch: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(setup.model, "forward", full)
    with pytest.raises(OutOfMemory, match=advice):
        fit(setup, **options)


# How long, in which batches -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"epochs": 1}, 4),
        ({"epochs": 3}, 12),
        ({"max_steps": 5}, 5),
        ({"epochs": 1, "batch_size": 16}, 8),
        ({"epochs": 1, "batch_size": 16, "gradient_accumulation": 4}, 2),
    ],
)
def test_epochs_max_steps_batch_and_accumulation_decide_the_steps(fit: Any, options: Any, steps: int) -> None:
    assert fit(**options)[1].steps == steps


def test_eval_batch_size_decides_the_batches_of_an_evaluation(fit: Any) -> None:
    def batches(size: int) -> int:
        seen: list[int] = []

        def counted(rows: list[Any]) -> Any:
            seen.append(len(rows))
            return collate(rows)

        fit(toy_setup(collator=counted, rows=32), epochs=1, eval_batch_size=size)
        return sum(length == size for length in seen)

    assert batches(8) == 8
    assert batches(64) == 1


def test_accumulated_batches_make_the_step_of_one_large_batch(fit: Any) -> None:
    whole = fit(toy_setup(dropout=0.0), batch_size=32)[0]
    parts = fit(toy_setup(dropout=0.0), batch_size=8, gradient_accumulation=4)[0]
    assert distance(whole, parts) < 1e-4


def test_eval_every_in_steps_and_epochs(tmp_path: Path) -> None:
    assert watch(tmp_path / "a", eval_every=3).evaluated == [3, 6, 8]
    assert watch(tmp_path / "b", eval_every="epoch").evaluated == [4, 8]


def test_checkpoint_every_and_keep_checkpoints_decide_what_lies_in_the_folder(tmp_path: Path) -> None:
    def kept(**options: Any) -> set[int]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        run(toy_setup(), TrainingOptions(**{**BASE, **options}), folder)
        return {int(path.name.split("-")[1]) for path in folder.iterdir()}

    assert kept(eval_every=8, checkpoint_every=2, keep_checkpoints=10) == {2, 4, 6, 8}
    assert kept(eval_every=8, checkpoint_every=3, keep_checkpoints=10) == {3, 6, 8}
    assert kept(eval_every=8, checkpoint_every=2, keep_checkpoints=2) == {6, 8}


def test_log_every_decides_how_often_the_loss_is_logged(fit: Any) -> None:
    def logged(every: int) -> list[int]:
        return [entry["step"] for entry in fit(log_every=every)[1].history if "loss" in entry]

    assert logged(2) == [2, 4, 6, 8]
    assert logged(4) == [4, 8]


def test_early_stopping_stops_after_its_patience(fit: Any) -> None:
    options = {"epochs": 40, "learning_rate": 0.1, "metric": "accuracy"}
    patient, hasty = fit(**options)[1], fit(**options, early_stopping_patience=2)[1]
    assert patient.steps == 160
    assert hasty.steps == hasty.best_step + 2 * 4


def test_length_bucketing_pads_less(fit: Any) -> None:
    def spread(bucketing: bool) -> float:
        setup, waste = toy_setup(rows=256), []
        lengths = {
            tuple(row["features"].tolist()): n
            for row, n in zip(setup.train_dataset, setup.train_dataset.lengths, strict=True)
        }

        def measured(rows: list[Any]) -> Any:
            found = [lengths.get(tuple(row["features"].tolist())) for row in rows]
            if None not in found:
                waste.append(max(found) * len(found) - sum(found))
            return collate(rows)

        setup.collator = measured
        fit(setup, epochs=1, batch_size=8, length_bucketing=bucketing)
        return sum(waste)

    assert spread(True) < 0.5 * spread(False)


def test_length_bucketing_needs_lengths(fit: Any) -> None:
    setup = toy_setup()
    del setup.train_dataset.lengths
    with pytest.raises(UsageError, match="needs rows with input_ids, or a dataset with lengths"):
        fit(setup, length_bucketing=True)


def test_rows_that_come_as_a_stream_train_for_max_steps(fit: Any) -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            return iter([rows[index] for index in range(len(rows))])

    rows = toy_setup().train_dataset
    setup = toy_setup()
    setup.train_dataset = Stream()
    assert fit(setup, max_steps=3, eval_every=3, checkpoint_every=3)[1].steps == 3
    with pytest.raises(UsageError, match="need max_steps"):
        fit(setup)


def test_no_training_rows_is_a_mistake(fit: Any) -> None:
    with pytest.raises(UsageError, match="no training rows"):
        fit(toy_setup(rows=0))
