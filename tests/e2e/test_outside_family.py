"""A family that lives outside the package goes through the whole loop by naming itself in an entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parents[1] / "unit" / "training"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def vitrina(install_family: Callable[..., Path], tmp_path: Path) -> Callable[..., Any]:
    """The command line in an environment where the package `toy-family` is installed."""
    path = os.pathsep.join([str(TOY), str(install_family("toy_family", "toy")), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "VITRINA_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "vitrina", *arguments, "--json"]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_an_outside_family_is_trained_gated_promoted_and_resolved(vitrina: Callable[..., Any], tmp_path: Path) -> None:
    data, model, measured = (str(tmp_path / name) for name in ("data", "model", "evaluation"))
    assert vitrina("prepare", "toy", "--output", data)["rows"]["train"] > 0
    vitrina("train", "toy", "--data", data, "--output", model)
    first = vitrina("evaluate", "toy", "--model", model, "--data", data, "--output", measured)
    assert first["metrics"]["accuracy"] > 0.5
    version = vitrina("register", model, "--evaluation", measured)
    assert (version["name"], version["version"]) == ("toy", "1")
    assert vitrina("promote", "toy", "1", "--data", data)["promoted"]
    again = vitrina("evaluate", "toy", "--model", "models:/toy@champion", "--data", data, "--output", measured)
    assert again["family"] == "toy"
