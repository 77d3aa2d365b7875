from __future__ import annotations

import time

import pytest

from vitrina.llm.prompts.checks import Finding
from vitrina.llm.prompts.errors import AnswerError
from vitrina.llm.prompts.numbers import readings
from vitrina.llm.prompts.tasks import task

SHIRT = {
    "title": "Camisa roja de lino Brisa",
    "brand": "Brisa",
    "price": 1299.5,
    "currency": "EUR",
    "attributes": {"material": "lino", "colour": "rojo", "style": "elegante", "warranty": "garantía de por vida"},
}
GOOD = (
    "Camisa roja Brisa\n\nEsta camisa elegante de lino, en rojo, es para los días de calor y cuesta 1.299,50 €. "
    "Tiene garantía de por vida."
)


def _findings(name: str, inputs: dict[str, object], text: str) -> list[Finding]:
    kind = task(name)
    given = kind.validated(inputs)
    return kind.check(given, kind.read_text(given, text))


def _described(text: str, **inputs: object) -> list[Finding]:
    return _findings("describe", {"product": SHIRT, **inputs}, text)


def test_a_faithful_description_has_no_findings() -> None:
    assert _described(GOOD) == []


@pytest.mark.parametrize(
    ("text", "kind", "detail"),
    [
        ("Camisa\n\n" + GOOD[20:] + " Lleva 7 botones.", "invented", "the number 7"),
        ("Shirt\n\nThis is a shirt that you can wear with the jeans and the shoes that you like.", "language", "'en'"),
        (GOOD + " La mejor camisa del mundo.", "banned_claim", "to be first among all"),
        (GOOD + " Es ecológica.", "banned_claim", "an environmental benefit"),
        (GOOD + " Alivia el dolor.", "banned_claim", "a medical effect"),
        (GOOD + " <b>Ya</b>", "markup", "'<b>'"),
        (GOOD + " **Ya**", "markup", "'**Ya**'"),
        (GOOD + ' </data> "x"', "markup", "</data>"),
        (GOOD + " <|start_of_role|>", "leak", "<|start_of_role|>"),
        (GOOD + " Escribe a ofertas@otra.example.", "invented", "ofertas@otra.example"),
        (GOOD + " Mira www.otra.example.", "invented", "www.otra.example"),
    ],
)
def test_what_no_description_may_show_is_an_error(text: str, kind: str, detail: str) -> None:
    found = [each for each in _described(text) if each.severity == "error"]

    assert any(each.kind == kind and detail in each.detail for each in found), found


def test_attributes_that_are_left_out_and_texts_that_are_too_long_are_warnings() -> None:
    found = _described(
        "Camisa\n\n" + "Esta camisa de rojos linos es muy buena para los días de calor. " * 4, max_words=20
    )

    assert [(each.kind, each.severity) for each in found] == [("length", "warning"), ("missing", "warning")]
    assert "style, warranty" in found[1].detail


def test_english_is_checked_in_english() -> None:
    found = _described("Red shirt\n\nThis is the shirt that cures all of your pain.", language="en")

    assert "banned_claim" in {each.kind for each in found}
    assert "language" not in {each.kind for each in found}


CANDIDATES = [
    {"product_id": "P-1", "title": "Lámpara", "price": 30, "currency": "EUR"},
    {"product_id": "P-2", "title": "Taza", "price": 12, "currency": "EUR"},
    {"product_id": "P-3", "title": "Vela", "price": 90, "currency": "USD"},
]


def _recommended(text: str, **inputs: object) -> list[tuple[str, str]]:
    found = _findings("recommend", {"candidates": CANDIDATES, "count": 2, **inputs}, text)
    return [(each.kind, each.severity) for each in found]


def test_recommendations_hold_to_the_candidates_the_budget_and_the_count() -> None:
    budget = {"budget": {"maximum": 20, "currency": "EUR"}}

    assert _recommended("[P-1] Porque te gusta la luz.\n- [P-2] Para tu café.\nDos para la casa.") == []
    assert _recommended("[P-2] Para tu café.\n[P-3] Huele bien.", customer=budget) == []
    assert _recommended("[P-1] Luz.\n[P-2] Para tu café.", customer=budget) == [("budget", "error")]
    assert _recommended("[P-9] Nueva.\n[P-2] Para tu café.") == [("unknown_product", "error")]
    assert _recommended("[P-2] Para tu café.\n[P-2] Otra vez.") == [("repeated", "error"), ("count", "warning")]
    assert _recommended("[P-2] Solo hay 99 para ti.") == [("invented", "error"), ("count", "warning")]


def test_an_analysis_may_say_what_follows_from_its_numbers() -> None:
    sales = [{"period": "enero", "units": 80, "revenue": 1000}, {"period": "febrero", "units": 100, "revenue": 1500}]
    said = "Las ventas son 180 en los 2 meses, un 25 % más en febrero; por unidad 12,50 y 15 €, el 40 % y el 60 %."

    assert _findings("market_analysis", {"sales": sales}, f"<thinking>33</thinking>{said}") == []
    invented = _findings("market_analysis", {"sales": sales}, said + " El año que viene, un 37 % más.")
    assert [(each.kind, each.severity) for each in invented] == [("invented", "warning")]
    assert "37" in invented[0].detail


def test_a_large_market_is_checked_in_no_time() -> None:
    sales = [{"period": str(month), "units": 10.5 * month, "revenue": 77.7 * month} for month in range(1, 61)]
    products = [{"title": "Taza", "price": 9.9 + number, "units": number} for number in range(200)]
    start = time.process_time()

    found = _findings(
        "market_analysis", {"sales": sales, "products": products}, " ".join(f"{n}.123" for n in range(300))
    )

    assert found
    assert time.process_time() - start < 1


def test_a_reply_promises_nothing_that_is_not_in_the_facts() -> None:
    inputs = {
        "message": "¿Cuándo llega mi pedido 4711?",
        "facts": [{"title": "Envío", "text": "El pedido llega el 24 de noviembre. Dudas: ayuda@tienda.example"}],
    }

    good = "Tu pedido 4711 llega el 24 de noviembre. Si tienes dudas, escribe a ayuda@tienda.example."
    assert _findings("reply", inputs, good) == []
    bad = _findings("reply", inputs, "Llega el 23 de noviembre. Envíe la contraseña de su cuenta.")
    assert {each.kind for each in bad} == {"invented", "banned_claim"}


def test_a_text_that_is_no_answer_is_an_error_in_one_sentence() -> None:
    given = task("recommend").validated({"candidates": CANDIDATES})

    with pytest.raises(AnswerError, match="no answer to 'recommend': `recommendations`"):
        task("recommend").read_text(given, "No sé.")


def test_reasoning_in_a_text_is_kept_apart_from_the_analysis() -> None:
    kind = task("market_analysis")
    given = kind.validated({"sales": [{"period": "enero", "units": 80}]})

    answer = kind.read_text(given, "<thinking>Primero sumo.</thinking>Las ventas son 80.")

    assert answer.model_dump() == {
        "reasoning": "Primero sumo.", "summary": "Las ventas son 80.", "insights": [], "actions": []
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "means"),
    [("1.299,50", {1299.5}), ("1,299", {1299.0, 1.299}), ("49,9", {49.9}), ("1.234.567", {1234567.0}), ("24", {24.0})],
)
def test_a_number_is_read_in_both_ways_of_writing(number: str, means: set[float]) -> None:
    assert set(readings(number)) == means
