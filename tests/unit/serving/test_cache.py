from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.redis_server import RedisServer
from vitrina.errors import UsageError
from vitrina.serving import redis_tier
from vitrina.serving.cache import EmbeddingCache, MemoryTier, key_of
from vitrina.serving.redis_tier import RedisTier

DIMENSION = 8


class Counts(Counter[str]):
    """What the cache reported."""

    def __call__(self, tier: str, outcome: str, count: int) -> None:
        self[f"{tier} {outcome}"] += count


class Model:
    """Embeds a name by a vector that is its own; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def vectors(self, cache: EmbeddingCache, keys: list[str]) -> np.ndarray:
        def compute(rows: list[int]) -> np.ndarray:
            self.asked.append([keys[row] for row in rows])
            return np.stack([vector_of(keys[row]) for row in rows])

        return cache.vectors(keys, DIMENSION, compute)


def vector_of(key: str) -> np.ndarray:
    return np.random.default_rng(sum(key.encode())).standard_normal(DIMENSION).astype(np.float32)


def expected(keys: list[str]) -> np.ndarray:
    return np.stack([vector_of(key) for key in keys])


def test_vectors_come_back_exactly_in_order_and_are_computed_once() -> None:
    counts, model = Counts(), Model()
    cache = EmbeddingCache([MemoryTier(10**6)], counts)
    for keys in (["a", "b", "a", "c"], ["c", "d", "b"]):
        assert np.array_equal(model.vectors(cache, keys), expected(keys))
    assert model.asked == [["a", "b", "c"], ["d"]]
    assert counts == {"memory hit": 2, "memory miss": 4}


def test_without_tiers_everything_is_computed_and_nothing_is_no_error() -> None:
    model = Model()
    cache = EmbeddingCache([], Counts())
    for _ in range(2):
        assert np.array_equal(model.vectors(cache, ["a", "b"]), expected(["a", "b"]))
    assert model.asked == [["a", "b"]] * 2
    assert model.vectors(cache, []).shape == (0, DIMENSION)


def test_what_fails_is_not_kept() -> None:
    cache = EmbeddingCache([MemoryTier(10**6)], Counts())

    def fail(rows: list[int]) -> np.ndarray:
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        cache.vectors(["a"], DIMENSION, fail)
    assert np.array_equal(Model().vectors(cache, ["a"]), expected(["a"]))


def test_memory_stays_below_its_limit_and_drops_the_least_recently_used() -> None:
    entry = DIMENSION * 4 + 4 + 250
    tier, model = MemoryTier(3 * entry), Model()
    cache = EmbeddingCache([tier], Counts())
    model.vectors(cache, ["k001", "k002", "k003"])
    model.vectors(cache, ["k001"])
    model.vectors(cache, ["k004"])
    assert tier.size == 3 * entry
    assert [value is not None for value in tier.get(["k001", "k002", "k003", "k004"])] == [True, False, True, True]
    tier.put({"k001": b"x"})
    assert tier.size == 3 * entry - DIMENSION * 4 + 1


def test_a_vector_larger_than_the_cache_is_not_kept() -> None:
    tier = MemoryTier(10)
    tier.put({"k": bytes(100)})
    assert (tier.size, tier.get(["k"])) == (0, [None])


def test_other_versions_and_other_content_have_other_names() -> None:
    names = {key_of(version, content) for version in ("1", "2") for content in (b"a", b"b")}
    assert len(names) == 4


def test_memory_is_safe_between_threads() -> None:
    tier = MemoryTier(20_000)
    cache, model = EmbeddingCache([tier], Counts()), Model()
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for number in range(200):
            keys = [f"{(seed * number + i) % 90}" for i in range(5)]
            if not np.array_equal(model.vectors(cache, keys), expected(keys)):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert tier.size == sum(len(key) + len(value) + 250 for key, value in tier._entries.items()) <= 20_000


def shared(server: RedisServer, counts: Any = None, **options: Any) -> RedisTier:
    return RedisTier(server.url, Counts() if counts is None else counts, **options)


def test_two_workers_share_vectors_through_redis(redis_server: RedisServer) -> None:
    keys = [f"k{number}" for number in range(600)]  # more than one round trip
    first, second, counts = Model(), Model(), Counts()
    first.vectors(EmbeddingCache([MemoryTier(10**6), shared(redis_server)], Counts()), keys)
    cache = EmbeddingCache([MemoryTier(10**6), shared(redis_server, counts)], counts)
    assert np.array_equal(second.vectors(cache, keys), expected(keys))
    assert second.asked == []
    assert counts == {"memory hit": 0, "memory miss": 600, "redis hit": 600, "redis miss": 0}
    second.vectors(cache, keys)
    assert counts["memory hit"] == 600


def test_entries_expire(redis_server: RedisServer) -> None:
    import redis

    tier = shared(redis_server, seconds=100)
    tier.put({"a": b"1"})
    client: Any = redis.Redis.from_url(redis_server.url)
    assert 90 < client.ttl(redis_tier.PREFIX + "a") <= 100


@pytest.mark.parametrize("spoilt", [b"", b"short", bytes(1000)])
def test_what_is_not_a_vector_is_computed_again(redis_server: RedisServer, spoilt: bytes) -> None:
    tier, model = shared(redis_server), Model()
    tier.put({"a": spoilt})
    assert np.array_equal(model.vectors(EmbeddingCache([tier], Counts()), ["a"]), expected(["a"]))
    assert model.asked == [["a"]]


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_redis_that_stops_fails_no_request_and_is_used_again_when_it_is_back(
    redis_server: RedisServer, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redis_tier, "FIRST_PAUSE", 0.2)
    counts, model = Counts(), Model()
    cache = EmbeddingCache([shared(redis_server, counts)], counts)
    model.vectors(cache, ["a"])
    getattr(redis_server, how)()
    for key in ("a", "b", "c", "d"):
        assert np.array_equal(model.vectors(cache, [key]), expected([key]))
    assert counts["redis failure"] == 1  # the first failure; then it is left alone
    assert caplog.text.count("does not answer") == 1
    redis_server.wake() if how == "hang" else redis_server.start()
    wait = threading.Event()
    for _ in range(50):
        wait.wait(0.1)
        model.vectors(cache, ["e"])
        if counts["redis hit"]:
            break
    assert counts["redis hit"] == 1
    assert np.array_equal(model.vectors(cache, ["e"]), expected(["e"]))
    assert model.asked[-1] == ["e"]


def test_a_slow_redis_costs_one_timeout_not_one_a_request(redis_server: RedisServer) -> None:
    from time import perf_counter

    tier, model = shared(redis_server, timeout=0.1), Model()
    cache = EmbeddingCache([tier], Counts())
    redis_server.hang()
    started = perf_counter()
    for number in range(100):
        model.vectors(cache, [f"k{number}"])
    assert 0.05 < perf_counter() - started < 0.45  # within the first pause of 0.5 s
    redis_server.wake()


def test_pauses_grow_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(redis_tier.time, "monotonic", lambda: clock[0])
    counts = Counts()
    tier = RedisTier("redis://127.0.0.1:1/0", counts)
    tried = []
    for _ in range(2000):
        before = counts["redis failure"]
        tier.get(["a"])
        if counts["redis failure"] > before:
            tried.append(clock[0])
        clock[0] += 0.25
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps[:6] == [0.5, 1, 2, 4, 8, 16]
    assert set(gaps[6:]) == {30}


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="VITRINA_REDIS_URL is not a Redis address"):
        RedisTier("localhost:6379", Counts())
