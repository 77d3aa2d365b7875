from __future__ import annotations

from pathlib import Path

import pytest

from vitrina.artifacts import write_manifest
from vitrina.errors import ArtifactError
from vitrina.jobs.switch import pointer_of, source_of, switch
from vitrina.registry import models
from vitrina.serving.runtime import Source, point, read_source


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A resolved champion of version 5; the registry itself is tested with its own module."""
    folder = tmp_path / "cache" / "5"
    folder.mkdir(parents=True)
    write_manifest(folder, family="intent_classifier")
    monkeypatch.setattr(models, "resolve", lambda reference: folder)
    return folder


def test_services_that_follow_the_champion_are_pointed_at_it(champion: Path) -> None:
    point(pointer_of("intent_classifier"), Path("old"), "intent_classifier", "4")
    assert switch("intent_classifier").version == "5"
    assert read_source(pointer_of("intent_classifier")) == Source(champion, "intent_classifier", "5")


def test_without_a_service_the_registry_is_not_even_asked() -> None:
    assert switch("intent_classifier").version is None
    assert not pointer_of("intent_classifier").exists()


def test_an_unregistered_folder_is_named_by_its_digest(tmp_path: Path) -> None:
    write_manifest(tmp_path, family="intent_classifier")
    source = source_of(str(tmp_path))
    assert (source.folder, source.model) == (tmp_path, "intent_classifier")
    assert source.version == read_source(tmp_path).version


def test_a_folder_of_no_family_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path)
    with pytest.raises(ArtifactError, match="which family"):
        source_of(str(tmp_path))
