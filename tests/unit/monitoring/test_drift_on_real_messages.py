"""The drift decision on CLINC150 messages with 150 real intents; hashed words stand in for a model's embeddings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from vitrina.data.sources import clinc150
from vitrina.monitoring.statistics import compare
from vitrina.settings import load_settings
from vitrina.training.spec import Monitored

pytestmark = pytest.mark.slow
MONITORED = Monitored(categorical=("label",), numerical=("length",), text="text")
Embed = Callable[[list[str]], np.ndarray]


@pytest.fixture(scope="module")
def messages() -> pd.DataFrame:
    data = load_settings().data
    if data is None or not (data / "clinc150").is_dir():
        pytest.skip("VITRINA_DATA does not hold clinc150")
    frame = clinc150.read(data / "clinc150").frame
    return frame.assign(label=frame["intent"], length=frame["text"].str.len())


@pytest.fixture
def embed(toy_family: None) -> Embed:
    from message_toy.serving import embed_texts

    return embed_texts


def alarms(reference: pd.DataFrame, window: pd.DataFrame, embed: Embed) -> bool:
    pair = embed(list(reference["text"])), embed(list(window["text"]))
    return any(test.drifted for test in compare(reference, window, MONITORED, pair))


def test_windows_of_the_same_traffic_rarely_alarm(messages: pd.DataFrame, embed: Embed) -> None:
    found = 0
    for seed in range(60):
        drawn = messages.sample(2200, random_state=seed)
        found += alarms(drawn.iloc[:2000], drawn.iloc[2000:], embed)
    assert found <= 6  # 3 of 60 are allowed on average; 7 or more have a chance of 3%


def test_ten_times_the_banking_questions_are_found(messages: pd.DataFrame, embed: Embed) -> None:
    drawn = messages.sample(4000, random_state=0)
    reference, rest = drawn.iloc[:2000], drawn.iloc[2000:]
    banking = rest[rest["domain"] == "banking"]
    assert alarms(reference, pd.concat([rest.iloc[:100], banking.iloc[:100]]), embed)
