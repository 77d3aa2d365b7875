"""A real registry, a real service: what is promoted is served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assistant_services import TABLE, assistant
from tests.faulty_llm import FaultyLLM, faulty
from tests.listening import until
from tests.llm_server import LLMServer
from vitrina.llm.prompts import registry
from vitrina.llm.prompts.prompt import built_in
from vitrina.registry import prompts as store


@pytest.fixture
def proxy(llm_server: LLMServer) -> Iterator[FaultyLLM]:
    with faulty(llm_server) as found:
        yield found


def test_a_promoted_prompt_is_served_without_a_restart(
    empty_database: Path, proxy: FaultyLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path))
    for name in ("TRACKING_URI", "BACKEND_STORE_URI"):
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    name = registry.name_of("describe")
    for number in ("1", "2"):
        system = f"Variant {number}. {built_in('describe').system}"
        registry.register(built_in("describe").model_copy(update={"system": system, "note": number}))
    store.promote(name, "1")
    with assistant(tmp_path, proxy.url, prompts_seconds=0.1, candidate_share=1.0) as shop:
        assert shop.ask("describe", TABLE).json()["version"] == "1"
        assert proxy.completions[0]["messages"][0]["content"].startswith("Variant 1.")
        store.propose(name, "2")
        until(lambda: shop.ask("describe", TABLE | {"user_id": "u1"}).json()["variant"] == "candidate", 30)
        assert shop.ask("describe", TABLE).json()["variant"] == "production"  # nobody is named
        store.promote(name, "2")
        until(lambda: shop.ask("describe", TABLE).json()["version"] == "2", 30)
        assert proxy.completions[-1]["messages"][0]["content"].startswith("Variant 2.")
