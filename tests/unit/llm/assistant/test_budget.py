from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vitrina.contracts.http import Refusal
from vitrina.errors import ServiceError
from vitrina.llm.assistant.budget import DAY, Accounts, Used

NOON = 20_000 * DAY + DAY // 2


class Clock:
    def __init__(self) -> None:
        self.now = float(NOON)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def accounts(folder: Path, clock: Clock, per_minute: int = 1000, per_day: int = 2500) -> Accounts:
    return Accounts(folder / "used.sqlite", per_minute=per_minute, per_day=per_day, clock=clock)


def test_what_is_not_used_of_a_reservation_is_given_back(tmp_path: Path, clock: Clock) -> None:
    book = accounts(tmp_path, clock)
    reserved = book.reserve("a", 900)
    assert book.used("a") == Used(900, 900)
    book.settle(reserved, 250)
    assert book.used("a") == Used(250, 250)
    assert book.used("b") == Used(0, 0)


def test_a_spent_minute_is_refused_until_it_ends(tmp_path: Path, clock: Clock) -> None:
    book = accounts(tmp_path, clock)
    clock.now += 12
    book.reserve("a", 800)
    book.reserve("b", 800)  # a key of its own
    with pytest.raises(Refusal) as refused:
        book.reserve("a", 300)
    assert refused.value.status == 429
    assert refused.value.headers == ((b"retry-after", b"48"),)
    assert "800 are used" in refused.value.message
    clock.now += 48
    book.reserve("a", 300)


def test_a_spent_day_is_refused_until_midnight(tmp_path: Path, clock: Clock) -> None:
    book = accounts(tmp_path, clock)
    for _ in range(2):
        book.reserve("a", 1000)
        clock.now += 60
    with pytest.raises(Refusal) as refused:
        book.reserve("a", 501)
    assert refused.value.headers == ((b"retry-after", b"%d" % (DAY // 2 - 120)),)
    clock.now += DAY // 2
    assert book.used("a") == Used(0, 0)
    book.reserve("a", 501)


def test_a_request_that_no_period_holds_is_not_told_to_try_again(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(Refusal) as refused:
        accounts(tmp_path, clock).reserve("a", 1001)
    assert refused.value.status == 422
    assert not refused.value.headers


def test_without_limits_everything_is_counted(tmp_path: Path, clock: Clock) -> None:
    book = accounts(tmp_path, clock, per_minute=0, per_day=0)
    reserved = book.reserve("", 10**9)
    assert book.used("") == Used(0, 0)  # nobody is kept from anything
    book.settle(reserved, 10**6)
    assert book.used("") == Used(10**6, 10**6)


def test_at_the_same_moment_nobody_spends_the_same_tokens(tmp_path: Path, clock: Clock) -> None:
    books = [accounts(tmp_path, clock) for _ in range(2)]  # as two workers have them

    def reserve(number: int) -> bool:
        try:
            books[number % 2].reserve("a", 100)
        except Refusal:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reserve, range(40))) == 10
    assert books[0].used("a").minute == 1000


def test_a_killed_worker_leaves_what_it_reserved_as_spent(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from vitrina.llm.assistant.budget import Accounts;"
        "Accounts(Path(sys.argv[1]), per_minute=0, per_day=100).reserve('a', 70); os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "used.sqlite"
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    assert Accounts(path, per_minute=0, per_day=0).used("a").day == 70


def test_accounts_that_cannot_be_kept_are_a_sentence(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    book = accounts(tmp_path / "file", clock)
    with pytest.raises(ServiceError, match="cannot be counted"):
        book.reserve("a", 1)
