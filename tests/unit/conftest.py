"""Installs the toy family as a package from outside would be, and makes the database of an empty registry."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TOY = Path(__file__).parent / "training"  # the folder that holds toy_family

if str(TOY) not in sys.path:
    sys.path.insert(0, str(TOY))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: making them takes seconds, copying them none."""
    from vitrina.registry import tracking
    from vitrina.settings import disable_telemetry

    disable_telemetry()
    home = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINA_HOME", str(home))
        tracking.connect()
    return home / "mlflow.db"


@pytest.fixture
def toy_path(install_family: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy family as an installed package, here and in child processes."""
    site = install_family("toy_family", "toy")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOY), str(site), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared folder of the toy family."""
    from toy_family.configuration import Options
    from toy_family.data import prepare

    folder = tmp_path / "data"
    folder.mkdir()
    prepare({}, folder, Options(), 7)
    return folder
