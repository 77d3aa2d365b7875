"""Models of the hub, without a network."""

from pathlib import Path

import pytest

from vitrina.errors import UsageError
from vitrina.hub import hub_folder


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_without_a_network_the_sentence_says_what_else_to_do() -> None:
    with pytest.raises(UsageError, match=r"`hf download shop/model`.*, or a smaller one\."):
        hub_folder("shop/model", ["*.json"], ", or a smaller one")


def test_a_name_that_can_be_no_id_is_refused() -> None:
    with pytest.raises(UsageError, match="neither a folder nor an id"):
        hub_folder("no such / model", ["*.json"], "")
