from __future__ import annotations

import pandas as pd
import pytest

from vitrina.errors import DataError
from vitrina.llm.prompts.faithfulness import LearnedKnowledge
from vitrina.llm.prompts.tasks import task
from vitrina.llm.prompts.variables import DescribeAnswer, DescribeInputs, ProductFacts


@pytest.fixture(scope="module")
def knowledge(store: pd.DataFrame) -> LearnedKnowledge:
    return LearnedKnowledge.of(store[:2800])


def _facts(row: dict[str, object]) -> ProductFacts:
    attributes = dict(row["attributes"])  # type: ignore[call-overload]
    return ProductFacts(title=row["title"], brand=row["brand"], category=row["category"], attributes=attributes)


def test_true_descriptions_are_left_alone_and_swapped_materials_are_mostly_found(
    knowledge: LearnedKnowledge, store: pd.DataFrame
) -> None:
    held_out = store[2800:].to_dict("records")
    blamed = found = swapped = 0
    for row in held_out:
        facts, text, own = _facts(row), row["description"], row["material"]
        blamed += bool(knowledge.compared(facts, text)[1])
        others = {each["material"] for each in held_out if each["language"] == row["language"]} - {own}
        if own in text:
            swapped += 1
            wrong = text.replace(own, sorted(others)[swapped % len(others)])
            found += any(each.startswith("material") for each in knowledge.compared(facts, wrong)[1])

    assert blamed <= 0.01 * len(held_out)
    assert swapped > 100
    assert found / swapped > 0.8


def test_a_spanish_text_says_what_english_attributes_say(knowledge: LearnedKnowledge, store: pd.DataFrame) -> None:
    row = next(
        each
        for each in store[2800:].to_dict("records")
        if each["language"] == "es" and dict(each["attributes"])["material"] == "glass"
    )
    kind = task("describe")
    inputs = DescribeInputs(product=_facts(row))
    answer = DescribeAnswer(title=row["title"], description=row["description"])

    learned, literal = (kind.check(inputs, answer, known) for known in (knowledge, None))

    assert "material" in literal[0].detail
    assert not any("material" in each.detail for each in learned)


def test_a_catalogue_that_teaches_nothing_is_refused(store: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="20 products have a description and features; 500 are needed"):
        LearnedKnowledge.of(store[:20])
