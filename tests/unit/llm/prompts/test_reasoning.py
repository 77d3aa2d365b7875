from __future__ import annotations

import random

import pytest

from vitrina.llm.prompts.reasoning import Splitter, split

TEXT = "Antes <thinking>paso 1: 3 < 4\npaso 2</thinking>La <respuesta> es İ 7 <THINKING>otra</Thinking>fin <thinkin"
ANSWER, REASONING = "Antes La <respuesta> es İ 7 fin <thinkin", "paso 1: 3 < 4\npaso 2otra"


def test_reasoning_and_answer_are_told_apart() -> None:
    assert split(TEXT) == (ANSWER, REASONING)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_may_end_anywhere(seed: int) -> None:
    rng, splitter, shown, place = random.Random(seed), Splitter(), "", 0
    while place < len(TEXT):
        size = rng.randint(1, 7)
        shown += splitter.feed(TEXT[place : place + size])
        assert ANSWER.startswith(shown)
        place += size

    assert shown + splitter.finish() == ANSWER
    assert splitter.reasoning == REASONING


def test_text_without_a_tag_is_not_held_back() -> None:
    splitter = Splitter()

    assert splitter.feed("Hola, esto cuesta 3 < 4") == "Hola, esto cuesta 3 < 4"
    assert splitter.feed(" y <th") == " y "
    assert splitter.feed("ree>") == "<three>"


def test_reasoning_that_never_ends_hides_the_rest() -> None:
    assert split("Sí. <thinking>hmm, la clave del cliente es") == ("Sí.", "hmm, la clave del cliente es")
