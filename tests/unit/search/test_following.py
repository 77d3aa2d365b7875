from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from search_support import Shop, build

from vitrina import watching
from vitrina.errors import ArtifactError
from vitrina.search import open_index
from vitrina.search.following import FollowedIndex

Follow = Callable[[str | None], FollowedIndex]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Follow]:
    """Starts to follow a location, until the test ends."""
    monkeypatch.setattr(watching, "SECONDS", 0.02)
    started: list[FollowedIndex] = []

    def start(location: str | None) -> FollowedIndex:
        started.append(FollowedIndex(location))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.close()


def rows_become(followed: FollowedIndex, rows: int) -> None:
    deadline = time.monotonic() + 20
    while followed.current().facts.rows != rows:
        assert time.monotonic() < deadline, "the change was not noticed"
        time.sleep(0.01)


def test_every_write_is_followed_on_both_engines(follow: Follow, location: str, shop: Shop) -> None:
    build(location, shop.entries(range(20)))
    followed = follow(location)
    rows_become(followed, 20)
    open_index(location).add([shop.entries(range(20, 25))])
    rows_become(followed, 25)
    open_index(location).remove(["p3"])
    rows_become(followed, 24)
    build(location, shop.entries(range(7)), version="v2")
    rows_become(followed, 7)
    assert followed.current().facts.version == "v2"


def test_a_search_on_the_replaced_state_ends_on_it(follow: Follow, tmp_path: Path, shop: Shop) -> None:
    location = str(tmp_path / "index")
    build(location, shop.entries(range(20)))
    followed = follow(location)
    old = followed.current()
    build(location, shop.entries(range(5)))
    rows_become(followed, 5)
    assert len(old.search("model", k=20)) == 20


def test_an_index_may_appear_later_and_until_then_the_reason_is_told(
    follow: Follow, tmp_path: Path, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    location = str(tmp_path / "index")
    followed = follow(location)
    for _ in range(3):
        with pytest.raises(ArtifactError, match="is not an index"):
            followed.current()
        followed.refresh()
    assert caplog.text.count("is not an index") == 1
    build(location, shop.entries(range(3)))
    deadline = time.monotonic() + 20
    while True:
        try:
            assert followed.current().facts.rows == 3
            break
        except ArtifactError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_state_that_cannot_be_read_leaves_the_one_in_use(follow: Follow, tmp_path: Path, shop: Shop) -> None:
    folder = tmp_path / "index"
    build(folder, shop.entries(range(20)))
    followed = follow(str(folder))
    (folder / "index.json").write_text("{")
    assert not followed.refresh()
    assert len(followed.current().search("shirt", k=5)) == 5


def test_without_a_location_the_setting_is_named(follow: Follow) -> None:
    with pytest.raises(ArtifactError, match="VITRINA_INDEX"):
        follow(None).current()
