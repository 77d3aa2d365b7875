"""`dvc repro` in a fresh clone, with no remote and no data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_dvc_makes_the_splits_in_a_fresh_clone_and_then_has_nothing_to_do(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    params = (clone / "params.yaml").read_text()
    small = params.replace("products: 1000", "products: 60").replace("interactions: 20000", "interactions: 500")
    (clone / "params.yaml").write_text(small)
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": binaries, "DVC_NO_ANALYTICS": "1", "PYTHONPATH": str(clone / "src")}

    def repro() -> str:
        done = subprocess.run(["dvc", "repro"], cwd=clone, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "Running stage 'split'" in repro()
    rows = {
        name: len(pd.read_parquet(clone / "data" / "splits" / f"{name}.parquet"))
        for name in ("train", "validation", "test")
    }
    assert sum(rows.values()) == 6000
    assert min(rows.values()) > 100
    assert "Data and pipelines are up to date" in repro()
    command = ["git", "status", "--short"]
    status = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=True).stdout
    assert status.splitlines() == [" M params.yaml", "?? dvc.lock"]
