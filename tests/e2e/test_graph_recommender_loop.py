"""A graph recommender's whole life: registered, promoted by its policy, served, told what was bought, watched."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.graph_recommender.service import NAME, OPERATION
from vitrina.families.graph_recommender import serving
from vitrina.jobs import drift, evaluate, promote, register
from vitrina.registry.models import resolve
from vitrina.serving.current_catalogue import CurrentCatalogue
from vitrina.serving.histories import LiveHistories
from vitrina.serving.http import HttpService
from vitrina.serving.recommending import LiveRecommender
from vitrina.serving.runtime import point
from vitrina.serving.service import ModelService

CHAMPION = f"models:/{NAME}@champion"
POLICY = Path(__file__).parents[2] / "mlflow" / "promotion.yaml"
REQUESTS = 210


async def nothing_behind(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the middleware."""


def test_from_registration_to_drift(graph_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    for name in ("TRACKING_URI", "BACKEND_STORE_URI"):
        monkeypatch.delenv(f"VITRINA_{name}", raising=False)
    data, log = graph_folder.parent / "data", tmp_path / "log"
    evaluate(str(graph_folder), data, tmp_path / "evaluation")
    version = register(graph_folder, tmp_path / "evaluation").version
    decided = promote(NAME, version, data, policy=POLICY)
    assert decided.promoted, decided.reasons

    live, catalogue = LiveHistories.under(tmp_path), CurrentCatalogue(None)
    pointer, champion = tmp_path / "model.json", resolve(CHAMPION)
    point(pointer, champion, NAME, champion.name)
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

    async def ask() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            bodies = [{"user_id": f"stranger {number}"} for number in range(REQUESTS)]
            found = [(await client.post("/ultra/recommendations", json=body)).json() for body in bodies]
            told = {
                "request_id": found[0]["request_id"],
                "label": found[0]["recommendations"][3]["product_id"],
            }
            assert (await client.post("/feedback", json=told)).status_code == 200
            return found

    try:
        answers = asyncio.run(ask())
    finally:
        service.close()
    assert all(each["cold_start"] for each in answers)
    moved = drift(CHAMPION, log, tmp_path / "report", minimum_rows=100)
    assert moved.rows == REQUESTS
    assert "segment" in moved.columns  # the reference has users with a history
