"""Seeds, code version and the facts about a machine."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import vitrina
from vitrina.training import reproducibility
from vitrina.training.reproducibility import code_version, environment, seed_everything


def test_a_seed_decides_python_numpy_and_torch() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    seed_everything(5)
    first = draw()
    seed_everything(5)
    assert draw() == first
    seed_everything(6)
    assert draw() != first


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean git repository that holds the package."""
    package = tmp_path / "src" / "vitrina"
    package.mkdir(parents=True)
    source = package / "__init__.py"
    source.write_text("")
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "one"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    monkeypatch.setattr(vitrina, "__file__", str(source))
    return tmp_path


def test_the_code_version_is_the_commit(checkout: Path) -> None:
    commit = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert code_version() == commit


def test_changed_code_is_marked_dirty_and_changes_elsewhere_are_not(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("outside the package")
    assert not code_version().endswith("-dirty")
    (checkout / "src" / "vitrina" / "__init__.py").write_text("changed = True\n")
    assert code_version().endswith("-dirty")


def test_without_git_the_code_version_is_stated_or_the_release(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(checkout / ".git")
    monkeypatch.delenv("VITRINA_COMMIT", raising=False)
    assert code_version() == vitrina.__version__
    monkeypatch.setenv("VITRINA_COMMIT", "abc123")
    assert code_version() == "abc123"


def test_a_package_installed_inside_someone_elses_repository_does_not_take_its_commit(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = checkout / ".venv" / "vitrina"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("")
    monkeypatch.setattr(vitrina, "__file__", str(site / "__init__.py"))
    monkeypatch.delenv("VITRINA_COMMIT", raising=False)
    assert code_version() == vitrina.__version__


def test_the_environment_names_machine_and_libraries() -> None:
    facts = environment()
    assert facts["python"].startswith("3.11")
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0.5
    assert facts["processor"]
    assert facts["libraries"]["torch"] == torch.__version__
    assert set(facts["libraries"]) == set(reproducibility.LIBRARIES)
