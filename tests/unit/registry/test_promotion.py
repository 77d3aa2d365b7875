"""Who becomes champion, on a real MLflow database."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from registry_support import MakeModel, evaluation_of, python

from vitrina.errors import DataError, RegistryError
from vitrina.evaluation.gates import Comparison
from vitrina.evaluation.policy import ChampionRule, Policy
from vitrina.jobs import promote as promote_job
from vitrina.registry import models, promotion
from vitrina.registry.tracking import connect

NAME = "keyword_rules"
Add = Callable[..., str]
OPEN = Policy()
STRICT = Policy.model_validate(
    {"metrics": {"accuracy": {"minimum": 0.9}}, "slices": {"language": {"metric": "accuracy", "minimum": 0.9}}}
)
THREE = ("refund", "parcel", "size")  # right on 3 of 4 intents
TWO = ("refund", "parcel")


@pytest.fixture
def add(home: Path, make_model: MakeModel) -> Add:
    """Register a model that knows the given words; returns its version."""

    def register(name: str, *words: str) -> str:
        folder = make_model(name, words) if words else make_model(name)
        return models.register_model(folder, evaluation_of(folder)).version

    return register


def champion() -> str | None:
    """The version that is champion now."""
    return promotion.champion_version(connect(), NAME)


def tags(version: str) -> dict[str, str]:
    """The tags of a version that a decision sets."""
    found = connect().get_model_version(NAME, version).tags
    return {name: found[name] for name in ("vitrina.decision", "vitrina.reasons") if name in found}


def test_the_first_champion_needs_only_its_gates(add: Add, held_out: Path) -> None:
    version = add("first")
    decision = promotion.promote(NAME, version, held_out, STRICT)
    assert decision.promoted
    assert decision.champion is None
    assert decision.comparison is None
    assert champion() == version
    assert tags(version)["vitrina.decision"] == "promoted"


def test_a_failed_gate_rejects_and_says_by_how_much(add: Add, held_out: Path) -> None:
    version = add("weak", *THREE)
    decision = promotion.promote(NAME, version, held_out, STRICT)
    assert not decision.promoted
    assert decision.reasons == [
        "accuracy 0.750 is below the gate 0.900",
        "accuracy on language=en (200 rows) 0.750 is below the gate 0.900",
        "accuracy on language=es (200 rows) 0.750 is below the gate 0.900",
    ]
    assert champion() is None
    assert tags(version) == {"vitrina.decision": "rejected", "vitrina.reasons": "; ".join(decision.reasons)}


def test_numbers_that_came_with_the_model_are_not_believed(home: Path, make_model: MakeModel, held_out: Path) -> None:
    weak, good = make_model("weak", TWO), make_model("good")
    version = models.register_model(weak, evaluation_of(good)).version  # claims an accuracy of 1.0
    assert not promotion.promote(NAME, version, held_out, STRICT).promoted


def test_parity_gates_read_the_model_folder(home: Path, make_model: MakeModel, held_out: Path) -> None:
    folder = make_model("rules", parity={"accuracy_loss": 0.02})
    version = models.register_model(folder, evaluation_of(folder)).version
    policy = Policy.model_validate({"metrics": {"parity.accuracy_loss": {"maximum": 0.003}}})
    assert promotion.promote(NAME, version, held_out, policy).reasons == [
        "parity.accuracy_loss 0.020 is above the gate 0.003"
    ]


def test_a_better_challenger_replaces_the_champion(add: Add, held_out: Path) -> None:
    promotion.promote(NAME, add("weak", *THREE), held_out, OPEN)
    decision = promotion.promote(NAME, add("good"), held_out, OPEN)
    assert decision.promoted
    assert decision.champion == "1"
    assert champion() == "2"
    assert decision.reasons[0].startswith("not worse than champion v1: +25.0 points (95% interval +2")
    assert decision.reasons[0].endswith("on 400 rows")


def test_a_worse_challenger_is_rejected(add: Add, held_out: Path) -> None:
    promotion.promote(NAME, add("good"), held_out, OPEN)
    decision = promotion.promote(NAME, add("weak", *THREE), held_out, OPEN)
    assert not decision.promoted
    assert decision.reasons[0].startswith("worse than champion v1: -25.0 points (95% interval -")
    assert champion() == "1"
    assert tags("2")["vitrina.decision"] == "rejected"


def test_an_equal_challenger_is_promoted_and_promoting_again_changes_nothing(add: Add, held_out: Path) -> None:
    for name in ("one", "two"):
        assert promotion.promote(NAME, add(name), held_out, OPEN).promoted
    again = promotion.promote(NAME, "2", held_out, OPEN)
    assert again.promoted
    assert again.reasons == ["version 2 is already the champion"]
    assert promotion.rollback(NAME) == ("1", "2")


def test_unknown_and_incomplete_versions_are_refused(add: Add, held_out: Path, home: Path) -> None:
    add("one")
    with pytest.raises(RegistryError, match="has no version 9"):
        promotion.promote(NAME, "9", held_out, OPEN)
    with pytest.raises(RegistryError, match="No model 'tarot'"):
        promotion.promote("tarot", "1", held_out, OPEN)
    connect().create_model_version(NAME, str(home / "artifacts"))
    with pytest.raises(RegistryError, match="Version 2 of 'keyword_rules' is incomplete"):
        promotion.promote(NAME, "2", held_out, OPEN)
    assert champion() is None


def test_held_out_rows_that_cannot_be_read_are_not_blamed_on_the_registry(add: Add, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="held-out rows in .*nowhere cannot be read"):
        promotion.promote(NAME, add("one"), tmp_path / "nowhere", OPEN)


def test_the_loser_of_two_promotions_is_compared_with_the_new_champion(
    add: Add,
    held_out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, middle, best = add("first", *TWO), add("middle", *THREE), add("best")
    promotion.promote(NAME, first, held_out, OPEN)
    compare, seen = promotion.compare, []

    def meanwhile(*arguments: object) -> Comparison:
        seen.append(champion())
        if len(seen) == 1:  # while `middle` is compared with `first`, `best` is promoted
            assert promotion.promote(NAME, best, held_out, OPEN).promoted
        return compare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(promotion, "compare", meanwhile)
    decision = promotion.promote(NAME, middle, held_out, OPEN)
    assert seen == [first, first, best]  # middle, then best, then middle anew
    assert not decision.promoted
    assert decision.champion == best
    assert decision.reasons[0].startswith(f"worse than champion v{best}")
    assert champion() == best
    assert promotion.rollback(NAME) == (first, best)


@pytest.mark.slow
def test_two_processes_that_promote_at_once_give_one_valid_sequence(add: Add, held_out: Path) -> None:
    add("first", *TWO), add("middle", *THREE), add("best")
    promotion.promote(NAME, "1", held_out, OPEN)
    policy = held_out / "policy.yaml"
    policy.write_text("default: {}\n")
    code = f"""
import sys
from pathlib import Path
from vitrina.jobs import promote
data = Path({str(held_out)!r})
print(promote("{NAME}", sys.argv[1], data, policy=data / "policy.yaml").model_dump_json())
"""
    running = [subprocess.Popen(python("-c", code, version), stdout=subprocess.PIPE) for version in "23"]
    middle, best = (json.loads(process.communicate(timeout=120)[0]) for process in running)
    assert champion() == "3"
    assert best["promoted"]
    if middle["promoted"]:  # it came first
        assert (middle["champion"], best["champion"]) == ("1", "2")
    else:
        assert (middle["champion"], best["champion"]) == ("3", "1")
        assert middle["reasons"][0].startswith("worse than champion v3")


def test_rollback_walks_back_one_champion_at_a_time(add: Add, held_out: Path) -> None:
    for name in ("one", "two", "three"):
        promotion.promote(NAME, add(name), held_out, OPEN)
    assert promotion.rollback(NAME) == ("2", "3")
    assert tags("3")["vitrina.decision"] == "rolled back"
    assert promotion.rollback(NAME) == ("1", "2")
    with pytest.raises(RegistryError, match="Version 1 is the first champion of 'keyword_rules'"):
        promotion.rollback(NAME)
    assert champion() == "1"


def test_a_version_promoted_again_after_a_rollback_can_be_rolled_back_again(add: Add, held_out: Path) -> None:
    for name in ("one", "two"):
        promotion.promote(NAME, add(name), held_out, OPEN)
    promotion.rollback(NAME)
    assert promotion.promote(NAME, "2", held_out, OPEN).promoted
    assert promotion.rollback(NAME) == ("1", "2")


def test_rollback_without_a_champion_or_to_a_deleted_version_is_refused(add: Add, held_out: Path) -> None:
    add("one")
    with pytest.raises(RegistryError, match="has no alias 'champion'"):
        promotion.rollback(NAME)
    promotion.promote(NAME, "1", held_out, OPEN)
    promotion.promote(NAME, add("two"), held_out, OPEN)
    connect().delete_model_version(NAME, "1")
    with pytest.raises(RegistryError, match=r"has no version 1\. Its versions: 2"):
        promotion.rollback(NAME)
    assert champion() == "2"


def test_the_job_reports_a_rejection_without_raising(add: Add, held_out: Path, tmp_path: Path) -> None:
    promotion.promote(NAME, add("good"), held_out, OPEN)
    policy = tmp_path / "policy.yaml"
    policy.write_text("models: {keyword_rules: {behaviour: {politeness: {minimum: 0.5}}}}\n")
    result = promote_job(NAME, add("weak", *TWO), held_out, policy=policy, report=tmp_path / "report.json")
    assert not result.promoted
    assert result.champion == "1"
    assert result.comparison is not None
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["comparison"] == result.comparison
    assert report["reasons"] == result.reasons
    assert report["metrics"]["accuracy"] == 0.5
    assert [gate["gate"] for gate in report["gates"]] == ["behaviour politeness"]


def scores(ids: list[str], values: list[float]) -> pd.DataFrame:
    """An evaluation's rows."""
    return pd.DataFrame({"row_id": ids, "score": values})


def test_rows_are_paired_by_their_id_not_by_their_place() -> None:
    found = promotion.compare(scores(["a", "b", "c"], [1, 0, 1]), scores(["c", "a", "b"], [1, 1, 0]), ChampionRule())
    assert (found.difference, found.low, found.high, found.rows) == (0, 0, 0, 3)


def test_equal_messages_are_paired_in_their_order() -> None:
    found = promotion.compare(scores(["a", "a"], [1, 0]), scores(["a", "a"], [1, 0]), ChampionRule())
    assert (found.difference, found.low, found.rows) == (0, 0, 2)


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["a", "x"], []])
def test_other_rows_cannot_be_compared(ids: list[str]) -> None:
    with pytest.raises(DataError, match="same held-out rows"):
        promotion.compare(scores(["a", "b"], [1, 1]), scores(ids, [1.0] * len(ids)), ChampionRule())
