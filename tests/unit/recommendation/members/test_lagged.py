from __future__ import annotations

import pytest

from vitrina.recommendation.histories import Histories
from vitrina.recommendation.members import lagged


def test_pairs_are_added_up_by_their_distance_in_any_number_of_pieces(
    shop: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lagged.transitions(shop, 5, lambda lag: 10.0 / lag).toarray()
    assert whole[0].tolist() == [0, 20, 5, 10, 0]
    assert whole[3].tolist() == [0] * 5
    monkeypatch.setattr(lagged, "PAIRS", 1)
    assert (lagged.transitions(shop, 5, lambda lag: 10.0 / lag).toarray() == whole).all()
    assert lagged.transitions(shop, 1, lambda lag: 1.0).toarray()[0].tolist() == [0, 2, 0, 1, 0]
