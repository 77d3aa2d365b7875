"""Every switch of a single step: clipping, precision, optimizer, processes, compilation, checkpointing, memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset
from toy_family.modeling import ToyModel
from toy_family.trainer import collate, noisy, toy_setup
from transformers import BertConfig, BertForSequenceClassification, Trainer

from tests.toy_training import BASE, Weights, distance, watch
from vitrina.errors import UsageError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import build
from vitrina.training.spec import TrainingSetup

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
