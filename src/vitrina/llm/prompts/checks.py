"""What is wrong with an answer, found without a model: the service runs this on every answer, the evaluation on many.

An `error` is a reason not to show an answer; a `warning` is worth counting. Checks read the answer's words: they find
what is wrong in these ways and prove nothing right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from vitrina.llm.prompts import numbers, wording
from vitrina.llm.prompts.variables import (
    DescribeAnswer,
    DescribeInputs,
    MarketAnswer,
    MarketInputs,
    ProductFacts,
    RecommendAnswer,
    RecommendInputs,
    ReplyAnswer,
    ReplyInputs,
    Variables,
)

Kind = Literal[
    "language", "length", "missing", "invented", "banned_claim", "markup", "leak", "unknown_product", "repeated",
    "budget", "count",
]  # fmt: skip
TOLERANCE = 1.2
"""Of a length in words: models count badly, and a shop sees no harm in a few words more."""
REPLY_WORDS = 120


class Finding(NamedTuple):
    """One thing that is wrong, in a sentence; `names`: the attributes that it concerns."""

    kind: Kind
    severity: Literal["error", "warning"]
    detail: str
    names: tuple[str, ...] = ()


class Knowledge(Protocol):
    """What a catalogue tells of how attributes are put into words; see `faithfulness.py`."""

    def compared(self, product: ProductFacts, text: str) -> tuple[list[str], list[str]]:
        """What a text leaves out of a product's attributes, and what it makes up; each with its name."""
        ...


def describe(inputs: DescribeInputs, answer: DescribeAnswer, knowledge: Knowledge | None = None) -> list[Finding]:
    """A description: language, length, features left out or made up, claims, markup."""
    text = "\n".join([answer.title, answer.description, *answer.highlights])
    found = [*_common(inputs, text), *_length(answer.description, inputs.max_words)]
    if knowledge is None:
        left_out = wording.left_out(inputs.product, text)
    else:
        left_out, made_up = knowledge.compared(inputs.product, text)
        found += _invented(made_up)
    if left_out:
        sentence = f"The description does not mention {', '.join(left_out)}."
        found.append(Finding("missing", "warning", sentence, tuple(left_out)))
    return [*found, *_numbers(inputs, text)]


def recommend(inputs: RecommendInputs, answer: RecommendAnswer, knowledge: Knowledge | None = None) -> list[Finding]:
    """Recommendations: only candidates, once each, as many as asked, within the budget, with true reasons."""
    candidates = {each.product_id: each for each in inputs.candidates}
    chosen = [each.product_id for each in answer.recommendations]
    text = "\n".join([*(each.reason for each in answer.recommendations), answer.summary])
    found = [*_common(inputs, text), *_numbers(inputs, text)]
    for product_id in dict.fromkeys(chosen):
        if product_id not in candidates:
            found.append(Finding("unknown_product", "error", f"Product '{product_id}' is none of the candidates."))
        elif _beyond_budget(inputs, candidates[product_id]):
            found.append(Finding("budget", "error", f"Product '{product_id}' is outside the customer's budget."))
    if len(set(chosen)) < len(chosen):
        found.append(Finding("repeated", "error", "A product is recommended twice."))
    asked = min(inputs.count, len(candidates))
    if len(set(chosen)) != asked:
        found.append(Finding("count", "warning", f"{len(set(chosen))} products instead of {asked}."))
    if knowledge is not None:
        for each in answer.recommendations:
            if each.product_id in candidates:
                found += _invented(knowledge.compared(candidates[each.product_id], each.reason)[1])
    return found


def market_analysis(inputs: MarketInputs, answer: MarketAnswer, knowledge: Knowledge | None = None) -> list[Finding]:
    """An analysis: every number is in the data or follows from them; only the topics that were asked for."""
    insights = [f"{each.statement} {each.evidence}" for each in answer.insights]
    text = "\n".join([answer.summary, *insights, *answer.actions])
    found = [*_common(inputs, text)]
    if unknown := numbers.underived(inputs, text):
        found.append(
            Finding(
                "invented", "warning", f"No data give the numbers {', '.join(unknown)}, nor sums or shares of them."
            )
        )
    off_topic = {each.focus for each in answer.insights} - set(inputs.focus) if inputs.focus else set()
    if off_topic:
        found.append(Finding("count", "warning", f"Nobody asked for {', '.join(sorted(off_topic))}."))
    return found


def reply(inputs: ReplyInputs, answer: ReplyAnswer, knowledge: Knowledge | None = None) -> list[Finding]:
    """A reply: language, length, numbers and addresses that nobody gave, claims."""
    return [
        *_common(inputs, answer.reply),
        *_length(answer.reply, REPLY_WORDS),
        *_numbers(inputs, answer.reply),
    ]


def _common(inputs: Variables, text: str) -> Iterator[Finding]:
    """What holds for every text that the shop shows."""
    given = wording.plain(inputs)
    if (language := wording.language(text, inputs.language)) != inputs.language:
        yield Finding("language", "error", f"The text is in '{language}', not in '{inputs.language}'.")
    for claim, words in wording.banned(text, given):
        yield Finding("banned_claim", "error", f"'{words}' claims {claim}.")
    if sign := wording.markup(text):
        yield Finding("markup", "error", f"The text holds markup: '{sign}'.")
    if sign := wording.leak(text):
        yield Finding("leak", "error", f"The text shows the prompt's own '{sign}'.")
    if unknown := wording.unknown_addresses(text, given):
        yield Finding("invented", "error", f"Nobody gave the address {', '.join(unknown)}.")


def _length(text: str, most: int) -> Iterator[Finding]:
    words = len(text.split())
    if words > most * TOLERANCE:
        yield Finding("length", "warning", f"{words} words instead of at most {most}.")


def _numbers(inputs: Variables, text: str) -> Iterator[Finding]:
    if unknown := numbers.unknown(inputs, text):
        yield Finding("invented", "error", f"Nobody gave the number {', '.join(unknown)}.")


def _invented(features: Sequence[str]) -> Iterator[Finding]:
    if features:
        yield Finding("invented", "error", f"The data do not say {', '.join(features)}.")


def _beyond_budget(inputs: RecommendInputs, product: ProductFacts) -> bool:
    """Prices in another currency are not compared: no rate is known."""
    budget = inputs.customer.budget
    if budget is None or product.price is None or product.currency != budget.currency:
        return False
    return product.price < budget.minimum or (budget.maximum is not None and product.price > budget.maximum)
