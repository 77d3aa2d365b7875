"""Writes to an index folder: merging, marks, other writers, writers that die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from search_support import Shop, build, exact

from vitrina.errors import ArtifactError, ServiceError, UsageError
from vitrina.search import manifest as state
from vitrina.search import open_index, writing

SUPPORT = str(Path(__file__).parent)


def ids(hits):
    return [hit.product_id for hit in hits]


def test_segments_of_similar_size_are_merged_and_large_ones_left_alone(tmp_path, shop: Shop, query):
    build(tmp_path, shop.entries(range(400)))
    index = open_index(tmp_path)
    sizes = []
    for first in range(400, 460, 10):
        index.add([shop.entries(range(first, first + 10))])
        sizes.append([segment.rows for segment in state.read(tmp_path).segments])
    assert sizes == [[400, 10], [400, 20], [400, 30], [400, 40], [400, 40, 10], [400, 60]]
    index.add([shop.entries(range(460, 600))])
    assert [segment.rows for segment in state.read(tmp_path).segments] == [600]
    products = shop.entries(range(600))
    assert ids(index.search(vector=query, k=20)) == exact(products, query, 20)


def test_an_index_of_many_segments_ranks_as_one_of_a_single_segment(tmp_path, shop: Shop, query):
    build(tmp_path / "one", shop.entries(range(450)))
    build(tmp_path / "many", shop.entries(range(360)))
    many = open_index(tmp_path / "many")
    many.add([shop.entries(range(360, 435))])
    many.add([shop.entries(range(435, 450))])
    assert len(state.read(tmp_path / "many").segments) == 3
    one = open_index(tmp_path / "one")
    for mode, text in (("vector", None), ("lexical", "blue pollo modle 441"), ("hybrid", "white shoe 44")):
        expected = one.search(text, query, k=15, mode=mode)
        found = many.search(text, query, k=15, mode=mode)
        assert {hit.product_id: pytest.approx(hit.score, rel=1e-4) for hit in found} == {
            hit.product_id: hit.score for hit in expected
        }


def test_a_segment_that_lost_many_rows_is_written_anew_without_them(tmp_path, shop: Shop, query):
    build(tmp_path, shop.entries(range(100)))
    index = open_index(tmp_path)
    index.remove([f"p{number}" for number in range(20)])
    (segment,) = state.read(tmp_path).segments
    assert (segment.rows, segment.removed) == (100, 20)
    index.remove([f"p{number}" for number in range(20, 40)])
    (segment,) = state.read(tmp_path).segments
    assert (segment.rows, segment.removed, segment.mask) == (60, 0, None)
    assert ids(index.search(vector=query, k=60)) == exact(shop.entries(range(40, 100)), query, 60)
    assert ids(index.search("model 77", k=1)) == ["p77"]


def test_merging_keeps_prices_categories_and_what_is_unknown(tmp_path, shop: Shop):
    build(tmp_path, shop.entries(range(30)))
    index = open_index(tmp_path)
    before = {hit.product_id: hit for hit in index.search("model", k=100)}
    index.add([shop.entries(range(30, 60))])
    after = {hit.product_id: hit for hit in index.search("model", k=100)}
    for product_id, hit in before.items():
        now = after[product_id]
        assert (now.title, now.category, now.price, now.currency, now.language) == (
            (hit.title, hit.category, hit.price, hit.currency, hit.language)
        )
    assert before["p7"].price is None
    assert before["p7"].category is None


def test_files_that_the_present_state_does_not_name_are_deleted_and_strange_ones_kept(tmp_path, shop: Shop):
    build(tmp_path, shop.entries(range(30)))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "summary").mkdir()
    (tmp_path / "s1234").mkdir()
    build(tmp_path, shop.entries(range(30)))
    (segment,) = state.read(tmp_path).segments
    assert {path.name for path in tmp_path.iterdir()} == {"index.json", ".lock", "notes.txt", "summary", segment.name}


def test_an_opened_index_goes_on_answering_when_its_files_are_replaced(tmp_path, shop: Shop, query):
    build(tmp_path, shop.entries(range(30)))
    old = open_index(tmp_path)
    expected = old.search("model", query, k=5)
    build(tmp_path, shop.entries(range(500, 510)))
    assert old.search("model", query, k=5) == expected


def test_a_folder_with_other_things_is_not_written_to(tmp_path, shop: Shop):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"is not an index and not empty: it holds photo\.jpg"):
        build(tmp_path, shop.entries(range(3)))
    with pytest.raises(UsageError, match="is a file"):
        build(tmp_path / "photo.jpg", shop.entries(range(3)))


def test_a_second_writer_is_refused_while_the_first_goes_on(tmp_path, shop: Shop, monkeypatch):
    build(tmp_path, shop.entries(range(3)))
    monkeypatch.setattr(writing, "PATIENCE", 0.1)
    with FileLock(tmp_path / ".lock"), pytest.raises(ServiceError, match="Another process is writing to index"):
        _in_child(tmp_path)
    assert open_index(tmp_path).remove(["p1"]).removed == 1


def _in_child(folder: Path) -> None:
    """A lock of this process would be entered again: another process must ask."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(_remove, (str(folder),))


def _remove(folder: str) -> None:
    open_index(folder).remove(["p0"])


def test_two_writers_that_hold_the_same_old_state_lose_nothing(tmp_path, shop: Shop):
    build(tmp_path, shop.entries(range(50)))
    one, other = open_index(tmp_path), open_index(tmp_path)
    one.add([shop.entries([100])])
    other.add([shop.entries([101])])
    one.remove(["p0"])
    assert one.facts.rows == 51
    assert {"p100", "p101"} <= set(ids(one.search("model", k=100)))


DIES = """
import os, signal, sys
sys.path.insert(0, {support!r})
from search_support import Shop
from vitrina.search import manifest, open_index
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
manifest.write = die
open_index({folder!r}).{write}
"""


@pytest.mark.parametrize("write", ["add([Shop().entries(range(40, 90))])", "remove(['p1', 'p2'])"])
def test_a_writer_killed_before_the_swap_leaves_the_old_state_and_the_next_one_cleans_up(
    tmp_path, shop: Shop, query, write
):
    build(tmp_path, shop.entries(range(50)))
    before = open_index(tmp_path)
    files = {path.name for path in tmp_path.iterdir()}
    code = DIES.format(support=SUPPORT, folder=str(tmp_path), write=write)
    died = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert {path.name for path in tmp_path.iterdir()} > files  # it had written
    after = open_index(tmp_path, verify=True)
    assert after.facts == before.facts
    assert after.search("model", query, k=50) == before.search("model", query, k=50)
    assert after.add([shop.entries(range(40, 90))]).added == 40
    named = {segment.name for segment in state.read(tmp_path).segments}
    masks = {segment.mask for segment in state.read(tmp_path).segments if segment.mask}
    assert {path.name for path in tmp_path.iterdir()} == {"index.json", ".lock", *named, *masks}


def test_a_writer_killed_at_any_moment_leaves_an_index_that_opens(tmp_path, shop: Shop):
    build(tmp_path, shop.entries(range(50)))
    code = (
        f"import sys; sys.path.insert(0, {SUPPORT!r}); from search_support import Shop\n"
        f"from vitrina.search import open_index; index = open_index({str(tmp_path)!r}); print('ready', flush=True)\n"
        "n = 1000\nwhile True:\n    index.add([Shop().entries(range(n, n + 5))]); n += 5; print(n, flush=True)\n"
    )
    for delay in (0.0, 0.013, 0.031, 0.057):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()  # it is ready
            writer.stdout.readline()  # and has written once
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
        index = open_index(tmp_path, verify=True)
        assert len(index.search("model", k=1000)) == index.facts.rows


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, shop: Shop, monkeypatch):
    build(tmp_path, shop.entries(range(5)))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(ArtifactError, match="No space left on device. Nothing was changed"):
        open_index(tmp_path).add([shop.entries(range(5, 9))])
    assert open_index(tmp_path, verify=True).facts.rows == 5


def test_a_budget_that_frequent_tokens_exceed_changes_no_answer(tmp_path, shop: Shop, query, monkeypatch):
    build(tmp_path, shop.entries(range(800)))
    index = open_index(tmp_path)
    index.add([shop.entries(range(800, 850))])
    asked = [("blue pollo modle 46", None), ("whit shoe 844", query)]
    expected = [index.search(text, vector, k=3) for text, vector in asked]
    monkeypatch.setattr("vitrina.search.lexical.BUDGET", 100)
    for (text, vector), hits in zip(asked, expected, strict=True):
        found = index.search(text, vector, k=3)
        assert ids(found) == ids(hits)
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in hits], rel=1e-4)
