"""The load: which levels, how many requests, what a person may get wrong."""

from __future__ import annotations

import pytest

from vitrina.errors import UsageError
from vitrina.llm.benchmark.load import Load, Objective, checked, title


def test_arrivals_bring_their_own_levels_unless_some_are_named():
    assert max(Load().steps) > Objective().concurrency
    assert Load(arrivals="poisson").steps == (0.5, 1, 2, 4)
    assert Load(levels=(8, 2, 8)).steps == (8, 2)


def test_streams_warm_up_with_at_least_the_burst_they_start_with():
    assert Load(warmup=5).warmup_of(16) == 16
    assert Load(warmup=5).warmup_of(2) == 5
    assert Load(warmup=0).warmup_of(16) == 0
    assert Load(arrivals="constant", warmup=5).warmup_of(16) == 5


def test_a_level_ends_late_enough_to_count_what_was_asked_for():
    load = Load(requests=20, warmup=5)
    assert load.enough_of(4) == 29
    assert load.rows_of(4) > load.enough_of(4) + 4


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"arrivals": "bursts"}, "arrivals"),
        ({"levels": (1.5,)}, "whole numbers"),
        ({"levels": (0,)}, "above 0"),
        ({"requests": 0}, "requests"),
        ({"seconds": 0}, "seconds"),
        ({"sampling": {"temperature": 3}}, "sampling.temperature"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_wrong_load_is_one_sentence_that_names_the_value(values, words):
    with pytest.raises(UsageError, match=words) as caught:
        checked(Load, values)
    assert "\n" not in str(caught.value)


def test_an_objective_is_read_from_what_a_person_wrote():
    assert checked(Objective, {"ttft_ms": 300}).ttft_ms == 300
    with pytest.raises(UsageError, match="share"):
        checked(Objective, {"share": 95})


def test_levels_have_names_for_people():
    assert title("concurrent", 4.0) == "4 at once"
    assert title("poisson", 0.5) == "0.5 a second"
