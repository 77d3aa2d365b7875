"""What the learned checker takes for mentioned, missing and invented."""

from __future__ import annotations

import random

import pytest

from vitrina.families.product_describer.checker import Check, Checker, learn_evidence
from vitrina.families.product_describer.slots import Slot

FOODS = ["French", "Italian", "Japanese"]
SCHEMA = {
    "name": Slot("copied", True),
    "food": Slot("worded", False, dict.fromkeys(FOODS, 200)),
    "family": Slot("worded", False, {"yes": 300, "no": 150}),
    "title": Slot("context"),
}


@pytest.fixture(scope="module")
def checker() -> Checker:
    """Learned from texts of which one in ten omits its food; sushi says Japanese."""
    draw = random.Random(7)
    rows, texts = [], []
    for _ in range(900):
        row = {"name": "X", "food": draw.choice(FOODS), "family": draw.choice(["yes", "yes", "no"])}
        if draw.random() < 0.3:
            del row["family"]
        food = row["food"] if draw.random() < 0.6 or row["food"] != "Japanese" else "sushi"
        said = (
            f"<copy:name> serves {food}{draw.choice([' food', '', ' dishes'])}."
            if draw.random() < 0.9
            else "<copy:name>."
        )
        family = {"yes": " It is family friendly.", "no": " It is not family friendly."}.get(row.get("family", ""), "")
        rows.append(row)
        texts.append(said + family)
    return Checker(SCHEMA, learn_evidence(SCHEMA, rows, texts))


def test_a_faithful_text_has_no_errors(checker: Checker) -> None:
    slots = {"name": "Zizzi", "food": "French", "family": "no", "title": "whatever"}
    assert checker.check("Zizzi serves French food. It is not family friendly.", slots) == Check()


def test_another_word_for_a_value_was_learned(checker: Checker) -> None:
    assert checker.check("Zizzi serves sushi.", {"name": "Zizzi", "food": "Japanese"}) == Check()


def test_what_is_left_out_is_missing(checker: Checker) -> None:
    slots = {"name": "Zizzi", "food": "French", "family": "yes"}
    assert checker.check("Zizzi serves French food.", slots).missing == ("family",)
    assert checker.check("A place that serves French food. It is family friendly.", slots).missing == ("name",)


def test_what_was_not_given_is_invented_and_a_wrong_value_is_both(checker: Checker) -> None:
    assert checker.check(
        "Zizzi serves French food. It is family friendly.", {"name": "Zizzi", "food": "French"}
    ) == Check((), ("family",))
    assert checker.check("Zizzi serves Italian food.", {"name": "Zizzi", "food": "French"}) == Check(
        ("food",), ("food",)
    )


def test_a_name_says_nothing_but_itself(checker: Checker) -> None:
    assert (
        checker.check("The French Sushi serves Italian food.", {"name": "The French Sushi", "food": "Italian"})
        == Check()
    )


def test_a_feature_that_training_never_saw_must_stand_word_for_word(checker: Checker) -> None:
    slots = {"name": "Zizzi", "wattage": "60 W"}
    assert checker.check("Zizzi has a lamp of 60 W.", slots).missing == ()
    assert checker.check("Zizzi has a lamp of 160 W.", slots).missing == ("wattage",)


def test_the_manner_in_which_dear_places_are_described_does_not_say_their_price() -> None:
    draw = random.Random(7)
    schema = {
        "price": Slot("worded", False, {"low": 300, "high": 300}),
        "family": Slot("worded", False, {"yes": 300, "no": 300}),
    }
    rows, texts = [], []
    for _ in range(900):
        row = {"price": draw.choice(["low", "high"]), "family": draw.choice(["yes", "no"])}
        for name in schema:
            if draw.random() < 0.3:
                del row[name]
        # The wording of one feature goes with the value of the other.
        who = "children" if row.get("price") == "high" else "family"
        said = {"yes": f"It is {who} friendly.", "no": f"It is not {who} friendly."}.get(row.get("family", ""), "")
        price = f"The price is {row['price']}." if "price" in row and draw.random() < 0.7 else ""
        rows.append(row)
        texts.append(f"A place. {price} {said}")
    checker = Checker(schema, learn_evidence(schema, rows, texts))
    slots = {"price": "high", "family": "no"}
    assert checker.check("A place. The price is high. It is not children friendly.", slots) == Check()
    assert checker.check("A place. It is not children friendly.", slots) == Check(("price",), ())


def test_two_features_that_one_phrase_states_are_both_said() -> None:
    schema = {name: Slot("worded", False, {"women": 300, "men": 300}) for name in ("audience", "department")}
    draw = random.Random(7)
    chosen = [draw.choice(["women", "men"]) for _ in range(600)]
    rows = [dict.fromkeys(schema, each) for each in chosen]
    checker = Checker(schema, learn_evidence(schema, rows, [f"A shirt for {each}." for each in chosen]))
    assert checker.check("A shirt for men.", dict.fromkeys(schema, "men")) == Check()
    assert checker.check("A shirt.", dict.fromkeys(schema, "men")) == Check(("audience", "department"), ())
