from __future__ import annotations

from typing import Any

import pytest

from vitrina.llm.assistant.job import Job
from vitrina.llm.assistant.shown import Shown, escaped_answer, presentable
from vitrina.llm.prompts.prompt import built_in
from vitrina.llm.prompts.tasks import TASKS
from vitrina.llm.prompts.variables import MarketAnswer, RecommendAnswer, Recommendation, ReplyAnswer

CANDIDATES = [
    {"product_id": "p1", "title": "Lamp", "price": 20.0, "currency": "EUR"},
    {"product_id": "p2", "title": "Sofa", "price": 900.0, "currency": "EUR"},
    {"product_id": "p3", "title": "Rug", "price": 30.0, "currency": "EUR"},
]
BUDGET = {"candidates": CANDIDATES, "customer": {"budget": {"maximum": 50}}, "language": "en", "count": 2}


def job(task: str, inputs: dict[str, Any], **options: Any) -> Job:
    kind, prompt = TASKS[task], built_in(task)
    return Job(
        kind, kind.validated(inputs), prompt, "production", prompt.sampling, [], 0, "caller", None, "request", **options
    )


def streamed(shown: Shown, text: str, size: int) -> str:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return "".join([*map(shown.feed, pieces), shown.finish()])


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_stream_names_only_candidates_within_the_budget_and_each_once(size: int) -> None:
    said = "[p3] It suits you.\n[p9] Best of all!\n[p2] A fine sofa.\n[p3] Again.\n[p1] Light.\nEnjoy."
    shown = streamed(Shown(job("recommend", BUDGET)), said, size)
    assert shown == "[p3] It suits you.\n[p1] Light.\nEnjoy."


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_reasoning_is_never_shown_and_markup_never_acts(size: int) -> None:
    market = job("market_analysis", {"sales": [{"period": "May", "units": 3}], "language": "en"})
    assert (
        streamed(Shown(market), "<thinking>secret</thinking>Sales <b>grew</b>.", size)
        == "Sales &lt;b&gt;grew&lt;/b&gt;."
    )


def test_what_may_not_be_recommended_is_left_out_and_told() -> None:
    answer = RecommendAnswer(
        recommendations=[Recommendation(product_id=each, reason="Nice.") for each in ("p2", "p9", "p1", "p1")]
    )
    kept, findings = presentable(job("recommend", BUDGET), answer)
    assert [each.product_id for each in kept.recommendations] == ["p1"]
    assert {each.kind for each in findings if "left out" in each.detail} == {"budget", "unknown_product"}
    assert all(each.severity == "warning" for each in findings)


def test_a_reply_with_an_invented_promise_needs_a_person() -> None:
    reply = job("reply", {"message": "Where is it?", "language": "en"})
    kept, findings = presentable(reply, ReplyAnswer(reply="You will get it in 3 days, at 40 euros less."))
    assert kept.needs_human is True
    assert findings


def test_reasoning_stays_only_where_it_is_wanted() -> None:
    inputs = {"sales": [{"period": "May", "units": 3}], "language": "en"}
    answer = MarketAnswer(reasoning="First …", summary="Three units.")
    assert presentable(job("market_analysis", inputs), answer)[0].reasoning == ""
    assert presentable(job("market_analysis", inputs, reasoning=True), answer)[0].reasoning == "First …"


def test_every_text_of_an_answer_is_escaped_however_deep() -> None:
    answer = RecommendAnswer(
        recommendations=[Recommendation(product_id="p1", reason='<img src="x">')], summary="Oak & Tide <3"
    )
    found = escaped_answer(answer)
    assert found.recommendations[0].reason == "&lt;img src=&quot;x&quot;&gt;"
    assert found.summary == "Oak & Tide &lt;3"
