"""A hybrid recommender's whole life: trained, registered, promoted, served, told what was bought, watched for drift."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bentos.hybrid_recommender.service import NAME, OPERATION
from vitrina.families.hybrid_recommender import serving
from vitrina.jobs import drift, evaluate, promote, register
from vitrina.registry.models import resolve
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.http import HttpService
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.runtime import point
from vitrina.serving.service import ModelService

CHAMPION = f"models:/{NAME}@champion"
POLICY = {"default": {}, "models": {NAME: {"metrics": {"ndcg_at_10": {"minimum": 0.005}}}}}


async def nothing_behind(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the middleware."""


@pytest.fixture
def champion(hybrid_folder: Path, recommender_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The registered and promoted model's folder; this test's own registry."""
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    for name in ("TRACKING_URI", "BACKEND_STORE_URI"):
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)
    evaluate(str(hybrid_folder), recommender_data, tmp_path / "evaluation")
    version = register(hybrid_folder, tmp_path / "evaluation").version
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    assert promote(NAME, version, recommender_data, policy=policy).promoted
    return resolve(CHAMPION)


def test_from_training_to_drift(champion: Path, recommender_shop: dict[str, Path], tmp_path: Path) -> None:
    pointer, live = tmp_path / "model.json", LiveHistories.under(tmp_path)
    catalogue = CurrentCatalogue(recommender_shop["catalogue"])
    catalogue.refresh()
    point(pointer, champion, NAME, champion.name)

    def serve(log: Path, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        service = ModelService(
            lambda folder: LiveRecommender(serving.load(folder), catalogue, live),
            [OPERATION],
            [live.endpoint()],
            source=pointer,
            predictions=log,
            name=NAME,
        )
        service.start()
        app = HttpService(nothing_behind, build=lambda: service)

        async def main() -> list[dict[str, Any]]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
                answers = [(await client.post("/ai/recommend", json=body)).json() for body in bodies]
                bought = answers[0]["recommendations"][0]["product_id"]
                event = {"user_id": "buyer", "product_id": bought, "event": "purchase"}
                assert (await client.post("/ai/interactions", json={"events": [event]})).status_code == 200
                told = {"request_id": answers[0]["request_id"], "label": bought}
                assert (await client.post("/feedback", json=told)).status_code == 200
                return answers

        try:
            return asyncio.run(main())
        finally:
            service.close()

    users = serving.load(champion).histories.users
    usual = serve(tmp_path / "usual", [{"user_id": user} for user in (users * 4)[:240]])
    assert {each["version"] for each in usual} == {champion.name}
    assert [event.event for event in live.of("buyer")] == ["purchase"]
    strangers = serve(tmp_path / "strangers", [{"user_id": f"stranger {number}"} for number in range(240)])
    assert all(each["cold_start"] for each in strangers)

    moved = drift(CHAMPION, tmp_path / "strangers", tmp_path / "report")
    assert moved.drifted
    assert {"segment", "popularity"} <= set(moved.columns)
    assert moved.rows == 240
