import random

from vitrina.text.augmentation import altered, damaged, shuffled, swap_typo


def test_a_typo_swaps_two_inner_letters_of_one_long_word():
    text = "where is my package"
    typo = swap_typo(text, random.Random(0))
    changed = [(old, new) for old, new in zip(text.split(), typo.split(), strict=True) if old != new]
    assert len(changed) <= 1
    assert all(sorted(old) == sorted(new) and old[0] == new[0] for old, new in changed)


def test_texts_without_a_long_word_are_left_alone():
    assert swap_typo("is it on", random.Random(0)) == "is it on"
    assert swap_typo("😀", random.Random(0)) == "😀"


def test_altered_copies_differ_but_are_never_empty():
    rng = random.Random(1)
    copies = [altered("where is my package today", rng, ["shoes", "red"]) for _ in range(200)]
    assert all(copies)
    assert len(set(copies)) > 50
    assert altered("a", random.Random(2), ["b"])


def test_a_damaged_text_loses_swaps_or_misspells_words_but_has_no_new_ones():
    text = "puma men black leaping cat shirt"
    rng = random.Random(3)
    copies = [damaged(text, rng) for _ in range(300)]
    assert all(copies)
    for copy in copies:
        new = set(copy.split()) - set(text.split())
        assert len(new) <= 1
        assert all(any(sorted(word) == sorted(old) for old in text.split()) for word in new)
    assert {len(copy.split()) for copy in copies} > {6}  # some lost a word
    assert damaged("tee", random.Random(0)) == "tee"


def test_a_shuffled_text_has_the_same_words():
    assert sorted(shuffled("one two three", random.Random(1)).split()) == ["one", "three", "two"]
