"""What bentos set up alike: processes and cores, the packed model, the log's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitrina.serving.bento import Bento
from vitrina.settings import Settings


@pytest.mark.parametrize(("workers", "machine", "cores"), [("", 2, 2), ("2", 2, 1), ("8", 2, 1), ("", 64, 4)])
def test_workers_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: str, machine: int, cores: int
) -> None:
    monkeypatch.setenv("VITRINA_WORKERS", workers)
    monkeypatch.setattr("os.cpu_count", lambda: machine)
    bento = Bento("shop", tmp_path)
    assert bento.cores == cores
    assert bento.options()["workers"] == int(workers or 1)


def test_a_packed_bento_has_its_requirements_and_model(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==2.0\nmsgspec==0.19\n")
    bento = Bento("shop", tmp_path)
    assert bento.requirements == ["numpy==2.0", "msgspec==0.19"]
    assert Bento("shop", tmp_path / "elsewhere").requirements == []
    arguments = bento.arguments(Settings(home=tmp_path / "home"))
    assert arguments["source"] == tmp_path / "model.json"
    assert arguments["predictions"] == tmp_path / "home" / "predictions" / "shop"


def test_settings_come_before_what_is_packed(tmp_path: Path) -> None:
    settings = Settings(model=tmp_path / "other", predictions=tmp_path / "log")
    arguments = Bento("shop", tmp_path).arguments(settings)
    assert (arguments["source"], arguments["predictions"]) == (tmp_path / "other", tmp_path / "log")
