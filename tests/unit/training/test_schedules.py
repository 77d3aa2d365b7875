"""Learning rates, step by step and layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_family.trainer import toy_setup
from transformers import BertConfig, BertModel, TrainerCallback

from vitrina.errors import UsageError
from vitrina.training.arguments import TrainingOptions
from vitrina.training.engine import run
from vitrina.training.schedules import layerwise_groups

PEAK = 0.01


class Rates(TrainerCallback):
    def __init__(self) -> None:
        self.groups: list[list[float]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any, **kwargs: Any) -> None:
        self.groups.append([group["lr"] for group in optimizer.param_groups])


def rates(folder: Path, **options: Any) -> list[list[float]]:
    """The learning rate of every group at each of 20 steps."""
    noted = Rates()
    base: dict[str, Any] = {"epochs": 5, "batch_size": 32, "learning_rate": PEAK, "progress": False, "threads": 1}
    run(toy_setup(), TrainingOptions(**{**base, **options}), folder, extra_callbacks=[noted])
    return noted.groups


def first(groups: list[list[float]]) -> list[float]:
    return [group[0] for group in groups]


def test_linear_falls_in_equal_parts_to_zero(tmp_path: Path) -> None:
    expected = [PEAK * (20 - step) / 20 for step in range(20)]
    assert first(rates(tmp_path, schedule="linear")) == pytest.approx(expected)


def test_cosine_is_half_way_down_in_the_middle(tmp_path: Path) -> None:
    values = first(rates(tmp_path, schedule="cosine"))
    assert values[0] == pytest.approx(PEAK)
    assert values[10] == pytest.approx(PEAK / 2)
    assert values[5] > 0.8 * PEAK
    assert values[-1] < 0.01 * PEAK


def test_constant_stays(tmp_path: Path) -> None:
    assert set(first(rates(tmp_path, schedule="constant"))) == {PEAK}


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_warmup_rises_to_the_peak(schedule: str, tmp_path: Path) -> None:
    values = first(rates(tmp_path, schedule=schedule, warmup_ratio=0.2))
    assert values[:5] == pytest.approx([0, PEAK / 4, PEAK / 2, 3 * PEAK / 4, PEAK])


def test_one_cycle_rises_and_falls(tmp_path: Path) -> None:
    values = first(rates(tmp_path / "a", schedule="one_cycle"))
    top = values.index(max(values))
    assert top == 5  # 30% of 20 steps, counted from 0
    assert max(values) == pytest.approx(PEAK)
    assert values[0] == pytest.approx(PEAK / 25)
    assert values[-1] < PEAK / 1000
    early = first(rates(tmp_path / "b", schedule="one_cycle", warmup_ratio=0.1))
    assert early.index(max(early)) == 1


def test_plateau_falls_only_after_evaluations_without_progress(tmp_path: Path) -> None:
    stuck = {"schedule": "plateau", "metric": "loss", "greater_is_better": True}  # the loss falls: no progress
    values = first(rates(tmp_path / "a", **stuck, plateau_factor=0.1, plateau_patience=1))
    assert values[:12] == pytest.approx([PEAK] * 12)  # the first evaluation is the best; two without progress
    assert values[12:16] == pytest.approx([PEAK / 10] * 4)
    learning = first(rates(tmp_path / "b", schedule="plateau", metric="loss"))
    assert set(learning) == {PEAK}


def test_plateau_with_warmup_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup_ratio has no effect with schedule plateau"):
        TrainingOptions(schedule="plateau", warmup_ratio=0.1)


def test_lower_layers_learn_slower_by_the_stated_factor(tmp_path: Path) -> None:
    groups = rates(tmp_path, layerwise_lr_decay=0.5, schedule="constant")[0]
    # embedding, layer 0, layer 1, head: 3, 2, 1 and 0 factors below the peak
    assert sorted(set(groups)) == pytest.approx([PEAK / 8, PEAK / 4, PEAK / 2, PEAK])


def test_every_schedule_scales_all_layers_alike(tmp_path: Path) -> None:
    groups = rates(tmp_path, layerwise_lr_decay=0.5, schedule="one_cycle")
    for step in groups[1:-1]:
        assert max(step) / min(step) == pytest.approx(8)


def test_the_head_learns_at_its_own_rate(tmp_path: Path) -> None:
    groups = rates(tmp_path, head_learning_rate=0.5, schedule="constant")[0]
    assert sorted(set(groups)) == pytest.approx([PEAK, 0.5])


class Wrapped(torch.nn.Module):
    """A BERT as families hold it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = BertModel(
            BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=1, intermediate_size=8)
        )
        self.head = torch.nn.Linear(8, 2)


def test_every_parameter_of_a_bert_is_in_one_group_with_its_depth() -> None:
    model = Wrapped()
    options = TrainingOptions(learning_rate=1.0, layerwise_lr_decay=0.5, weight_decay=0.1)
    groups = layerwise_groups(model, options, {name for name, _ in model.named_parameters() if "bias" not in name})
    rate = {id(value): group["lr"] for group in groups for value in group["params"]}
    assert len(rate) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    assert rate[id(model.head.weight)] == rate[id(model.encoder.pooler.dense.weight)] == 1.0
    assert rate[id(model.encoder.encoder.layer[2].output.dense.weight)] == 0.5
    assert rate[id(model.encoder.encoder.layer[0].output.dense.weight)] == 0.125
    assert rate[id(model.encoder.embeddings.word_embeddings.weight)] == 0.0625
    decay = {id(value): group["weight_decay"] for group in groups for value in group["params"]}
    assert decay[id(model.head.weight)] == 0.1
    assert decay[id(model.head.bias)] == 0


def test_a_model_without_numbered_layers_is_refused() -> None:
    with pytest.raises(UsageError, match="needs? a model with an encoder of numbered layers; Linear has none"):
        layerwise_groups(torch.nn.Linear(2, 2), TrainingOptions(layerwise_lr_decay=0.5), set())
