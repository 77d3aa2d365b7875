import pandas as pd
import pytest

from vitrina.demo.world import real_world, sample_world
from vitrina.errors import DataError


@pytest.fixture
def table(tmp_path):
    rows = [{"text": f"message {intent} {n}", "intent": f"intent_{intent}"} for intent in range(10) for n in range(80)]
    path = tmp_path / "messages.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


def test_a_real_world_holds_back_intents_that_appear_later(table):
    world = real_world(table, traffic=100, seed=7)
    unseen = set(world.later["intent"]) - set(world.training["intent"])
    assert len(unseen) == 2
    assert set(world.calm["intent"]) <= set(world.training["intent"])
    assert 0.3 < world.later["intent"].isin(unseen).mean() < 0.7


def test_no_message_of_a_real_world_is_both_trained_on_and_sent(table):
    world = real_world(table, traffic=100, seed=7)
    sent = set(world.calm["text"]) | set(world.later["text"])
    assert not sent & set(world.training["text"])
    assert not set(world.calm["text"]) & set(world.later["text"])


def test_a_world_that_is_too_small_is_refused(table, tmp_path):
    few = tmp_path / "few.parquet"
    pd.read_parquet(table)[:300].to_parquet(few)
    with pytest.raises(DataError, match="too small for a demo"):
        real_world(few, traffic=100, seed=7)


def test_the_sample_world_changes_wording_and_intents(table):
    world = sample_world(table, traffic=200, seed=7)
    assert set(world.later["intent"]) - set(world.calm["intent"])
    assert len(world.later) == 2 * len(world.calm)
    repeated = world.later["text"].isin(set(world.calm["text"])).mean()
    assert repeated < 0.1  # "hola" is said before and after
