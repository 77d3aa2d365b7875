"""Every switch of the engine changes what it says it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset, IterableDataset
from toy_family.modeling import ToyModel
from toy_family.trainer import collate, noisy, toy_setup
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback

from vitrina.errors import UsageError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import Diverged, OutOfMemory, TrainOutcome, build, run
from vitrina.training.spec import TrainingSetup

Weights = dict[str, torch.Tensor]
BASE: dict[str, Any] = {"epochs": 2, "batch_size": 32, "learning_rate": 0.02, "progress": False, "threads": 1}


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., tuple[Weights, TrainOutcome]]:
    """Train the toy model with options; each call in a folder of its own."""

    def train(setup: TrainingSetup | None = None, **options: Any) -> tuple[Weights, TrainOutcome]:
        setup = setup or toy_setup()
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        outcome = run(setup, TrainingOptions(**{**BASE, **options}), folder)
        return {name: value.clone() for name, value in setup.model.state_dict().items()}, outcome

    return train


def distance(first: Weights, second: Weights) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)


class Watch(TrainerCallback):
    """Notes what a training does."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        self.rates: list[list[float]] = []
        self.evaluated: list[int] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any) -> None:
        gradients = [value.grad.norm() for value in model.parameters() if value.grad is not None]
        self.norms.append(float(torch.stack(gradients).norm()))

    def on_step_begin(self, args: Any, state: Any, control: Any, optimizer: Any, **kwargs: Any) -> None:
        self.rates.append([group["lr"] for group in optimizer.param_groups])

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.evaluated.append(state.global_step)


def watch(tmp_path: Path, setup: TrainingSetup | None = None, **options: Any) -> Watch:
    watcher = Watch()
    run(setup or toy_setup(), TrainingOptions(**{**BASE, **options}), tmp_path / "w", extra_callbacks=[watcher])
    return watcher


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


# The step itself ------------------------------------------------------------------------------------------------------


def test_gradient_clipping_bounds_the_norm(tmp_path: Path) -> None:
    free = watch(tmp_path / "free", gradient_clipping=0)
    bound = watch(tmp_path / "bound", gradient_clipping=0.05)
    assert max(free.norms) > 0.05
    assert max(bound.norms) <= 0.05 * 1.001


def test_weight_decay_shrinks_weights_but_not_biases(fit: Any) -> None:
    free = fit(weight_decay=0.0, learning_rate=0.01, epochs=4)[0]
    shrunk = fit(weight_decay=5.0, learning_rate=0.01, epochs=4)[0]
    assert shrunk["encoder.layer.0.weight"].norm() < 0.9 * free["encoder.layer.0.weight"].norm()
    trainer = build(toy_setup(), TrainingOptions(**BASE, weight_decay=5.0), Path("unused"))
    decayed = trainer.get_decay_parameter_names(trainer.model)
    assert not any("bias" in name for name in decayed)


def test_label_smoothing_keeps_the_model_less_sure(fit: Any) -> None:
    def certainty(smoothing: float) -> float:
        setup = toy_setup()
        fit(setup, epochs=10, label_smoothing=smoothing)
        batch = collate([setup.eval_dataset[row] for row in range(64)])
        with torch.inference_mode():
            return float(setup.model.eval()(**batch).logits.softmax(1).amax(1).mean())

    assert certainty(0.3) < certainty(0.0) - 0.05


def test_label_smoothing_needs_labels(fit: Any) -> None:
    def unlabelled(rows: list[Any]) -> dict[str, Any]:
        return {"features": collate(rows)["features"]}

    with pytest.raises(UsageError, match="label_smoothing needs batches with labels"):
        fit(toy_setup(collator=unlabelled), label_smoothing=0.1)


def test_bf16_computes_in_bfloat16_and_keeps_float32_weights(fit: Any) -> None:
    ToyModel.seen_dtypes.clear()
    fit(precision="fp32", epochs=1)
    assert ToyModel.seen_dtypes == {torch.float32}
    weights, outcome = fit(precision="bf16", epochs=6, metric="accuracy")
    assert torch.bfloat16 in ToyModel.seen_dtypes
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert outcome.metrics["accuracy"] > 0.8


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU can do fp16")
def test_fp16_without_a_gpu_is_refused(fit: Any) -> None:
    with pytest.raises(UsageError, match="fp16 needs a GPU; on a CPU use bf16 or fp32"):
        fit(precision="fp16")


@pytest.mark.parametrize(("optimizer", "fused"), [("adamw", False), ("adamw_fused", True)])
def test_optimizer_chooses_the_kernel(optimizer: str, fused: bool, tmp_path: Path) -> None:
    trainer = build(toy_setup(), TrainingOptions(**BASE, optimizer=optimizer), tmp_path)
    chosen = trainer.create_optimizer()
    assert isinstance(chosen, torch.optim.AdamW)
    assert bool(chosen.defaults["fused"]) is fused


def test_both_optimizers_learn_the_same(fit: Any) -> None:
    assert distance(fit(optimizer="adamw")[0], fit(optimizer="adamw_fused")[0]) < 1e-4


def test_threads_are_set(fit: Any) -> None:
    before = torch.get_num_threads()
    try:
        fit(epochs=1, threads=2)
        assert torch.get_num_threads() == 2
        fit(epochs=1, threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_workers_load_rows_in_other_processes_with_the_same_result(fit: Any) -> None:
    class Pids(Dataset):
        def __init__(self, rows: Any) -> None:
            self.rows, self.lengths = rows, rows.lengths

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> Any:
            return {**self.rows[index], "pid": torch.tensor(os.getpid())}

    def trained(workers: int) -> tuple[Weights, set[int]]:
        setup, pids = toy_setup(), set()
        setup.train_dataset = Pids(setup.train_dataset)

        class Notes(Trainer):
            def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
                if "pid" in inputs:
                    pids.update(inputs.pop("pid").tolist())
                return super().compute_loss(model, inputs, *args, **kwargs)

        setup.collator, setup.trainer_class = noisy, Notes
        return fit(setup, epochs=1, workers=workers)[0], pids

    alone, own = trained(0)
    helped, theirs = trained(2)
    assert own == {os.getpid()}
    assert len(theirs) == 2
    assert os.getpid() not in theirs
    assert distance(alone, helped) == 0


def test_compile_trains_a_compiled_model_and_saves_plain_weights(tmp_path: Path) -> None:
    setup = toy_setup(dropout=0.0)
    trainer = build(setup, TrainingOptions(**{**BASE, "max_steps": 2}, compile=True), tmp_path)
    trainer.args.torch_compile_backend = "aot_eager"  # the default backend calls a C++ compiler: see the slow test
    trainer.accelerator.state.dynamo_plugin.backend = type(trainer.accelerator.state.dynamo_plugin.backend)("AOT_EAGER")
    trainer.train()
    assert isinstance(trainer.model_wrapped, torch._dynamo.eval_frame.OptimizedModule)
    saved = load_file(next(tmp_path.glob("checkpoint-*")) / "model.safetensors")
    assert saved.keys() == setup.model.state_dict().keys()
    plain = build(toy_setup(), TrainingOptions(**BASE), tmp_path / "plain")
    assert plain.accelerator.state.dynamo_plugin.backend.value == "NO"


@pytest.mark.slow
def test_compile_gives_nearly_the_weights_of_eager_training(fit: Any) -> None:
    eager = fit(toy_setup(dropout=0.0), max_steps=4)[0]
    compiled = fit(toy_setup(dropout=0.0), max_steps=4, compile=True)[0]
    assert distance(eager, compiled) < 1e-4


# A small BERT: what needs a real transformer --------------------------------------------------------------------------


def bert_setup() -> TrainingSetup:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    rows = [{"input_ids": torch.randint(1, 50, (6,)), "labels": torch.tensor(n % 2)} for n in range(16)]

    def stack(batch: list[Any]) -> dict[str, Any]:
        return {name: torch.stack([row[name] for row in batch]) for name in batch[0]}

    return TrainingSetup(BertForSequenceClassification(config), rows, rows[:4], stack)


def test_gradient_checkpointing_computes_layers_twice_and_learns_the_same(fit: Any) -> None:
    def trained(checkpointing: bool) -> tuple[Weights, int]:
        setup, calls = bert_setup(), []
        attention = setup.model.bert.encoder.layer[0].attention
        attention.register_forward_pre_hook(lambda module, _: calls.append(1) if module.training else None)
        weights, _ = fit(setup, batch_size=8, epochs=1, gradient_checkpointing=checkpointing)
        return weights, len(calls)

    plain, once = trained(False)
    saved, twice = trained(True)
    assert (once, twice) == (2, 4)
    assert distance(plain, saved) < 1e-5


def test_gradient_checkpointing_is_refused_by_a_model_without_it(fit: Any) -> None:
    with pytest.raises(UsageError, match="not supported by ToyModel"):
        fit(gradient_checkpointing=True)


def test_a_family_keeps_its_own_loss(fit: Any) -> None:
    class Doubled(Trainer):
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            loss = super().compute_loss(*args, **kwargs)
            return (2 * loss[0], loss[1]) if isinstance(loss, tuple) else 2 * loss

    plain, doubled = toy_setup(), toy_setup()
    doubled.trainer_class = Doubled
    first, second = (fit(setup, epochs=1, learning_rate=1e-9)[1].metrics["loss"] for setup in (plain, doubled))
    assert second == pytest.approx(2 * first, rel=1e-3)


def test_rows_are_collated_by_the_family(tmp_path: Path) -> None:
    trainer = build(toy_setup(), TrainingOptions(**BASE), tmp_path)
    loader: DataLoader = trainer.get_train_dataloader()
    batch = next(iter(loader))
    assert batch["features"].shape == (32, 2)
    assert set(batch) == {"features", "labels"}
