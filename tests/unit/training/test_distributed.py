"""Two processes train as one: gradients are averaged, weights stay equal, one of them writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from vitrina.errors import UsageError, VitrinaError
from vitrina.training import distributed

OPTIONS = {"epochs": 2, "learning_rate": 0.02, "metric": "accuracy", "progress": False, "threads": 1, "ema_decay": 0.5}


def ranks(folder: Path, processes: int, name: str, **options: Any) -> list[dict[str, Any]]:
    """What each process ended with."""
    output = folder / name
    output.mkdir(exist_ok=True)
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    arguments = [json.dumps({**OPTIONS, **options}), str(folder / f"{name}.checkpoints"), str(output)]
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "toy_family.parallel", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return [torch.load(output / f"rank{rank}.pt", weights_only=True) for rank in range(processes)]


@pytest.mark.usefixtures("toy_path")
def test_two_processes_learn_what_one_learns_from_the_double_batch(tmp_path: Path) -> None:
    first, second = ranks(tmp_path, 2, "two", batch_size=16)
    (alone,) = ranks(tmp_path, 1, "one", batch_size=32)
    assert first["steps"] == second["steps"] == alone["steps"] == 8
    for name, value in first["weights"].items():
        assert torch.equal(value, second["weights"][name]), name
        torch.testing.assert_close(value, alone["weights"][name], rtol=0, atol=1e-4)
    assert torch.equal(first["gradient"], second["gradient"])
    torch.testing.assert_close(first["gradient"], alone["gradient"], rtol=0, atol=1e-6)
    assert first["metrics"] == second["metrics"]
    assert first["metrics"]["accuracy"] == pytest.approx(alone["metrics"]["accuracy"], abs=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("toy_path")
def test_two_processes_resume_to_the_same_bits(tmp_path: Path) -> None:
    """Interrupted in the middle of the second epoch: the checkpoints after that step are taken away."""
    import shutil

    options = {"batch_size": 16, "checkpoint_every": 3, "eval_every": 3, "keep_checkpoints": 9, "metric": "loss"}
    whole = ranks(tmp_path, 2, "whole", **options)
    shutil.copytree(tmp_path / "whole.checkpoints", tmp_path / "again.checkpoints")
    shutil.rmtree(tmp_path / "again.checkpoints" / "checkpoint-8")
    again = ranks(tmp_path, 2, "again", **options)
    assert again[0]["resumed_from"] == 6
    for one, other in zip(whole, again, strict=True):
        assert all(torch.equal(value, other["weights"][name]) for name, value in one["weights"].items())


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A stand-in for `python`, so that what is launched can be read back."""
    written = tmp_path / "launched"
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\necho "$@" > {written}\nenv >> {written}\n'
        'echo "vitrina: there is no such thing" >&2\n[ -z "$FAIL" ] || exit 3\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return written


def test_torchrun_is_given_the_command_without_the_mark_of_kfp(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_KFP_RUNTIME", "true")
    monkeypatch.setenv("KEPT", "yes")
    distributed.launch(["train", "toy", "--data", "d"], 3)
    line, *environment = command.read_text().splitlines()
    assert line == "-m torch.distributed.run --standalone --nproc-per-node=3 -m vitrina train toy --data d"
    assert "KEPT=yes" in environment
    assert not any("_KFP_RUNTIME" in variable for variable in environment)


def test_a_worker_s_sentence_comes_back(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(VitrinaError, match=r"^there is no such thing$"):
        distributed.launch(["train"], 2)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(UsageError, match="num_processes is 4, but this machine has 1 GPU"):
        distributed.launch(["train"], 4)


def test_one_process_is_its_own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert distributed.is_main()
    assert not distributed.is_worker()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert not distributed.is_main()
    assert distributed.is_worker()
