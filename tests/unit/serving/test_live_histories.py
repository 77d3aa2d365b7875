"""Events kept for request time: once each, the last ones of a user, shared by processes, refused when impossible."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from vitrina.contracts.recommendation import Interaction, InteractionsRequest
from vitrina.serving.histories import LiveHistories

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(product: str, minutes: int = 0, kind: str = "view", user: str = "u1") -> Interaction:
    return Interaction(product, kind, timestamp=NOON + timedelta(minutes=minutes), user_id=user)  # type: ignore[arg-type]


def test_events_come_back_oldest_first_and_only_to_their_user(tmp_path: Path) -> None:
    live = LiveHistories(tmp_path / "live.sqlite")
    assert live.add([event("b", 2), event("a", 1, "purchase"), event("c", 0, user="u2")]) == 3
    assert [(each.product_id, each.event) for each in live.of("u1")] == [("a", "purchase"), ("b", "view")]
    assert live.of("u1")[0].time == (NOON + timedelta(minutes=1)).timestamp()
    assert live.of("nobody") == []


def test_a_repeated_event_is_kept_once(tmp_path: Path) -> None:
    live = LiveHistories(tmp_path / "live.sqlite")
    assert live.add([event("a"), event("a"), event("a", kind="cart")]) == 2
    assert live.add([event("a")]) == 0
    assert len(live.of("u1")) == 2


def test_of_fifty_thousand_events_the_last_are_kept(tmp_path: Path) -> None:
    live = LiveHistories(tmp_path / "live.sqlite")
    for start in range(0, 50_000, 10_000):
        live.add([event(f"p{n}", n) for n in range(start, start + 10_000)])
    live.add([event("other", user="u2")])
    kept = live.of("u1")
    assert [each.product_id for each in kept] == [f"p{n}" for n in range(49_500, 50_000)]
    assert len(live.of("u2")) == 1


def test_of_events_at_one_moment_no_more_than_the_limit_are_kept(tmp_path: Path) -> None:
    live = LiveHistories(tmp_path / "live.sqlite", longest=10)
    live.add([event(f"p{n:02d}") for n in range(30)])
    assert [each.product_id for each in live.of("u1")] == [f"p{n}" for n in range(20, 30)]


def test_another_process_sees_the_events(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite"
    code = (
        "import sys; from pathlib import Path; from vitrina.serving.histories import LiveHistories;"
        "from vitrina.contracts.recommendation import Interaction;"
        "LiveHistories(Path(sys.argv[1])).add([Interaction('a', 'purchase', user_id='u1')])"
    )
    live = LiveHistories(path)
    assert live.of("u1") == []
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert [each.product_id for each in live.of("u1")] == ["a"]


def test_a_file_that_is_no_database_gives_no_events_and_keeps_none(tmp_path: Path) -> None:
    path = tmp_path / "live.sqlite"
    path.write_bytes(b"not a database" * 100)
    live = LiveHistories(path)
    assert live.of("u1") == []
    with pytest.raises(Exception, match="not a database"):
        live.add([event("a")])


def decode(**changes: object) -> InteractionsRequest:
    body = {"events": [{"user_id": "u1", "product_id": "a"} | changes]}
    return msgspec.json.decode(msgspec.json.encode(body), type=InteractionsRequest)


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
        {"timestamp": (datetime.now() + timedelta(days=2)).isoformat()},
        {"timestamp": "yesterday"},
        {"event": "stare"},
        {"event": "rating"},
        {"event": "rating", "value": 6},
        {"event": "purchase", "value": -1},
        {"user_id": ""},
    ],
)
def test_impossible_events_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(**changes)


def test_a_clock_that_runs_a_little_ahead_is_forgiven() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=4)
    assert decode(timestamp=soon.isoformat()).events[0].timestamp == soon


def test_a_time_without_a_zone_is_utc() -> None:
    assert decode(timestamp="2026-01-01T12:00:00").events[0].timestamp == NOON


def test_no_events_or_too_many_are_refused() -> None:
    for count in (0, 1001):
        body = msgspec.json.encode({"events": [{"user_id": "u", "product_id": "p"}] * count})
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(body, type=InteractionsRequest)
