"""`benchmarks/attention.py` without a GPU: its steps run small, and it says that there is no device."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("attention")


def test_every_setting_but_the_compiled_one_takes_a_step(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "WARM", 0)
    monkeypatch.setattr(benchmark, "STEPS", 2)
    eager = {name: each for name, each in benchmark.SETTINGS.items() if not each.compiled}
    found = {name: benchmark.measured(each, (2, 6, 16), 1, 2, "cpu") for name, each in eager.items()}
    assert all(each.milliseconds > 0 for each in found.values())
    figures = benchmark.figures_of(found | {"fused_bf16_compiled": found["fused_bf16"]})
    ratios = {each["name"]: each["value"] for each in figures}
    expected = found["naive_fp32"].milliseconds / found["fused_fp32"].milliseconds
    assert ratios["speed_fused_over_naive_fp32"] == pytest.approx(expected)


def test_the_kernel_that_is_asked_for_runs_and_the_old_one_comes_back(benchmark):
    from vitrina.families.multimodal_product import attention

    before = attention.attention
    with benchmark.kernel(False):
        assert attention.attention is attention.naive_attention
    with benchmark.kernel(True):
        assert attention.attention is torch.nn.functional.scaled_dot_product_attention
    assert attention.attention is before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device")
def test_without_a_device_nothing_is_measured(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["attention.py"])
    benchmark.main()
    assert "no CUDA device" in capsys.readouterr().out
