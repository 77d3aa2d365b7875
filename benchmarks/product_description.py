"""Quality and speed of the product describer on E2E NLG: base preset, from scratch, int8 as served.

The model trains on the published training rows; 5% of their meaning representations choose the weights. Figures are of
the published development set (547 meaning representations, 4,672 references), which nothing was chosen on: width of the
search and length penalty come from the validation rows, like the weights. Slot errors
are counted by hand-written patterns (`_e2e_slots.py`) that the model never sees, and by the model's own learned
checker, by which it re-ranks. Needs VITRINA_DATA.

python benchmarks/product_description.py [--models FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec
import numpy as np
import pandas as pd
from _e2e_slots import errors
from _results import ROOT, figure, published, report

from vitrina.artifacts import read_json
from vitrina.contracts.product_description import DescriptionRequest
from vitrina.evaluation import generation
from vitrina.families.product_describer import serving
from vitrina.jobs import ingest, prepare, train
from vitrina.serving.http import HttpService
from vitrina.serving.service import ModelService
from vitrina.settings import disable_telemetry

FAMILY = "product_describer"
OVERRIDES = {"model.validation_fraction": 0.05, "model.test_fraction": 0}
BEAMS = 16
TIMED = 100
TIMED_BEAMS, GREATEST = 4, 60

PRICES = {"cheap": "cheap", "moderate": "moderately priced", "high": "high priced"}
FRIENDLY = {"yes": "family friendly", "no": "non family friendly"}


def restaurants(source: Path, folder: Path) -> Path:
    """The set's catalogue with its development rows as test rows."""
    table = folder / "catalogue.parquet"
    ingest(source / "e2e_nlg", "catalogue", table, layout="e2e_nlg")
    rows = pd.read_parquet(table)
    rows["split"] = rows["product_id"].str.startswith("dev-").map({True: "test", False: ""})
    rows.to_parquet(table, index=False)
    return table


def template(slots: Mapping[str, str]) -> str:
    """The baseline: one sentence for what the place is, one for its rating and price."""
    price = slots.get("priceRange", "")
    kind = [FRIENDLY.get(slots.get("familyFriendly", ""), ""), PRICES.get(price, ""), slots.get("food", "")]
    noun = " ".join(word for word in (*kind, slots.get("eatType", "restaurant")) if word)
    text = f"{slots['name']} is {'an' if noun[0] in 'aeiouAEIOU' else 'a'} {noun}"
    text += {"riverside": " in the riverside area", "city centre": " in the city centre"}.get(slots.get("area", ""), "")
    text += f" near {slots['near']}" if "near" in slots else ""
    rating = slots.get("customer rating")
    said = [
        f"a customer rating of {rating}" if rating and rating[0].isdigit() else f"a {rating} customer rating"
    ] * bool(rating)
    said += [f"a price range of {price}"] if price and price not in PRICES else []
    return f"{text}. It has {' and '.join(said)}." if said else f"{text}."


def slot_error_rates(texts: Sequence[str], given: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Errors over slots given: strict, and with values that mean the same taken for each other."""
    total = sum(map(len, given))
    strict = [sum(errors(text, slots)) for text, slots in zip(texts, given, strict=True)]
    lenient = [sum(errors(text, slots, lenient=True)) for text, slots in zip(texts, given, strict=True)]
    return {"strict": sum(strict) / total, "lenient": sum(lenient) / total}


def slots_given(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Name and attributes of every row."""
    return [{"name": each.title, **each.attributes} for each in serving.requests_of(rows)]


def described(model: serving.Describer, rows: pd.DataFrame, beams: int) -> list[serving.Description]:
    """The model's answers for all rows by a search of some width."""
    search = replace(model.search, width=beams)
    found = model.describe(serving.requests_of(rows), search)
    return [each for each in found if isinstance(each, serving.Description)]


def quality_figures(model: Path, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The model as served, and in fp32, against template, references of others and first beam."""
    references, given = [list(each) for each in rows["references"]], slots_given(rows)
    served = serving.load(model)
    found = described(served, rows, BEAMS)
    texts = [each.best.text for each in found]
    likeliest = [max(each.candidates, key=lambda one: one.likelihood).text for each in found]
    quick = [each.best.text for each in described(served, rows, TIMED_BEAMS)]
    plain = [template(slots) for slots in given]
    scores, base = generation.corpus_scores(texts, references), generation.corpus_scores(plain, references)
    first = generation.corpus_scores(likeliest, references)
    unrounded = [each.best.text for each in described(serving.load(model, "model.onnx"), rows, BEAMS)]
    low, high = generation.bootstrap_bleu(texts, references)
    rates, template_rates = slot_error_rates(texts, given), slot_error_rates(plain, given)
    people = slot_error_rates([each[0] for each in references], given)
    own = sum(each.best.check.errors for each in found)
    loss = 100 * (generation.corpus_scores(unrounded, references)["bleu"] - scores["bleu"])
    return [
        figure(
            "e2e_bleu",
            100 * scores["bleu"],
            "",
            "higher",
            69,
            (100 * low, 100 * high),
            template=100 * base["bleu"],
            likeliest_of_the_beam=100 * first["bleu"],
            four_beams=100 * generation.corpus_scores(quick, references)["bleu"],
        ),
        figure(
            "e2e_slot_error_rate",
            rates["strict"],
            "",
            "lower",
            0.01,
            None,
            template=template_rates["strict"],
            likeliest_of_the_beam=slot_error_rates(likeliest, given)["strict"],
            four_beams=slot_error_rates(quick, given)["strict"],
            people=people["strict"],
        ),
        figure("e2e_slot_error_rate_synonyms_allowed", rates["lenient"], "", "lower", None, None, **people),
        figure("e2e_slot_error_rate_own_checker", own / sum(map(len, given)), "", "lower"),
        figure("e2e_chrf", 100 * scores["chrf"], "", "higher", None, None, template=100 * base["chrf"]),
        figure("e2e_rouge_l", 100 * scores["rouge_l"], "", "higher", None, None, template=100 * base["rouge_l"]),
        figure(
            "e2e_distinct_2",
            generation.distinct(texts, 2),
            "",
            "higher",
            None,
            None,
            template=generation.distinct(plain, 2),
        ),
        figure("e2e_self_repetition", generation.self_repetition(texts), "", "lower"),
        figure("e2e_int8_bleu_loss", loss, "points", "lower", 0.5),
    ]


def speed_figures(model: Path, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Single requests, four beams, at most 60 tokens, one after the other through the service's ASGI application."""
    wanted = {"beams": TIMED_BEAMS, "max_tokens": GREATEST}
    requests = [msgspec.structs.replace(each, **wanted) for each in serving.requests_of(rows)]
    with tempfile.TemporaryDirectory() as log:
        operation = bento().OPERATION
        service = ModelService(serving.load, [operation], source=model, predictions=Path(log), name=FAMILY)
        service.start()
        try:
            seconds = asyncio.run(timed(HttpService(nothing_behind, build=lambda: service), operation.path, requests))
        finally:
            service.close()
    p50, p99 = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.99))
    return [
        figure("request_p50", p50, "ms", "lower", 300),
        figure("request_p99", p99, "ms", "lower"),
    ]


def bento() -> ModuleType:
    """The service's module: bentos are folders that BentoML runs, not a package beside this script."""
    described = importlib.util.spec_from_file_location(FAMILY, ROOT / "bentos" / FAMILY / "service.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


async def nothing_behind(scope: Any, receive: Any, send: Any) -> None:
    """What stands behind the middleware."""


async def timed(app: Any, path: str, requests: Sequence[DescriptionRequest]) -> list[float]:
    """Seconds of each request; the first tenth warms up and is left out."""
    seconds = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop", timeout=60) as client:
        for request in requests:
            body = msgspec.json.encode(request)
            started = time.perf_counter()
            answer = await client.post(path, content=body)
            seconds.append(time.perf_counter() - started)
            answer.raise_for_status()
    return seconds[len(seconds) // 10 :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path(".vitrina/benchmarks/product_description"))
    arguments = parser.parse_args()
    disable_telemetry()
    source = published()
    started = time.perf_counter()
    arguments.models.mkdir(parents=True, exist_ok=True)
    data, model = arguments.models / "splits", arguments.models / "base"
    prepare(FAMILY, {"catalogue": restaurants(source, arguments.models)}, data, overrides=OVERRIDES)
    if not model.exists():
        train(FAMILY, data, model, overrides=OVERRIDES)
    rows = pd.read_parquet(data / "test.parquet")  # a row for each meaning representation
    figures = quality_figures(model, rows)
    figures += speed_figures(model, rows.sample(TIMED, random_state=7))
    minutes = read_json(model / "metrics.json")["training"]["seconds"] / 60
    figures.append(figure("training", minutes, "minutes", "lower"))
    report("product_description", figures, time.perf_counter() - started)


if __name__ == "__main__":
    main()
