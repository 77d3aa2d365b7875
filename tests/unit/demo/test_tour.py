"""How a tour of families trains them."""

from __future__ import annotations

from vitrina.demo.tour import fitting_preset
from vitrina.families import catalog
from vitrina.training.preset import load_preset


def test_every_family_has_the_preset_that_a_tour_takes() -> None:
    taken = {name: fitting_preset(catalog.get(name)) for name in catalog.BUILT_IN}
    assert taken["product_embedder"] == "demo"
    assert taken["product_classifier"] == "base"
    assert all(load_preset(catalog.get(name), preset).name == preset for name, preset in taken.items())
