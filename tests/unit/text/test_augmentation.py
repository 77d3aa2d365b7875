import random

from vitrina.text.augmentation import altered, swap_typo


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
