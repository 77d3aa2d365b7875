"""What the jobs know about title letters."""

from __future__ import annotations

from vitrina.training.spec import FamilySpec, Monitored

SPEC = FamilySpec(
    name="title_letters",
    package="title_letters",
    summary="Embeds a product as the letters of its title.",
    tables=("catalogue",),
    primary_metric="recall",
    monitored=Monitored(numerical=("price",), text="title"),
    inputs=("title",),
)
