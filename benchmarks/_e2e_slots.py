"""Which slots an E2E description states, by hand-written patterns: the judge of the benchmark, not of the model.

Written after the kind of patterns by which the literature counts slot errors of E2E systems (Dušek et al., 2019,
"Semantic noise matters for neural natural language generation"); a value is said when one of its patterns matches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CUISINE = r"(?: (?:food|cuisine|dishes|meals?|restaurant|pub|coffee|style|place))?"
PRICE = r"(?:price[sd]?|pricing|price range|cost(?:s|ing)?)"
RATE = r"(?:rat(?:ed?|ings?)|customers?|reviews?|scores?|stars?)"
CHILD = r"(?:famil(?:y|ies)|child(?:ren)?(?:'s|s)?|kids?)"
FRIENDLY = r"(?:[- ]?friendly| oriented|[- ]?orientated)"

PATTERNS: dict[str, dict[str, list[str]]] = {
    "food": {
        "Chinese": [r"\bchinese\b", r"\bchines\b"],
        "English": [r"\benglish\b", r"\bbritish\b", r"\bfull breakfast\b"],
        "Fast food": [r"\bfast[- ]?foods?\b", r"\bburgers?\b", r"\bhamburgers?\b", r"\bfries\b", r"\bamerican\b"],
        "French": [r"\bfrench\b", r"\bfrance\b", r"\bwines?\b.*\bcheeses?\b", r"\bcheeses?\b.*\bwines?\b"],
        "Indian": [r"\bindian?\b", r"\bcurry house\b"],
        "Italian": [r"\bitalian?\b", r"\bpasta\b", r"\bpizza\b", r"\bspaghetti\b"],
        "Japanese": [r"\bjapan(?:ese)?\b", r"\bsushi\b"],
    },
    "eatType": {
        "coffee shop": [r"\bcoffee[- ]?(?:shop|house|bar|place)?s?\b", r"\bcafé\b", r"\bcafe\b"],
        "pub": [r"\bpubs?\b", r"\bpublic house\b", r"\bbar\b"],
        "restaurant": [r"\brestaurants?\b", r"\beatery\b", r"\bdining\b", r"\bbistro\b"],
    },
    "area": {
        "city centre": [
            r"\b(?:city|town)[- ](?:cent(?:re|er))\b",
            r"\bcent(?:re|er) of (?:the )?(?:city|town)\b",
            r"\bdowntown\b",
            r"\b(?:heart|middle) of (?:the )?(?:city|town)\b",
            r"\bcentral(?:ly)?\b",
            r"\bin (?:the )?cent(?:re|er)\b",
            r"\bin the city\b",
        ],
        "riverside": [
            r"\briver[- ]?(?:side|front|bank)s?\b",
            r"\b(?:the|a) river\b",
            r"\bwater(?:side|front)\b",
            r"\bby (?:the )?river\b",
            r"\bthames\b",
        ],
    },
    "familyFriendly": {
        "no": [
            rf"\b(?:not|isn't|aren't|non|no|nor|never|without|un)[- ]?(?:\w+[- ]){{0,4}}{CHILD}",
            rf"{CHILD}[- ]?(?:friendly )?(?:are |is )?(?:not|unfriendly|free)",
            rf"{CHILD}(?:{FRIENDLY})?[:,]? no\b",
            r"\badults?\b",
            r"\b(?:does not|doesn't|don't|do not) (?:\w+ ){0,2}(?:allow|welcome|cater|suit)",
        ],
        "yes": [
            rf"{CHILD}{FRIENDLY}",
            rf"\b(?:friendly|good|great|suitable|welcom\w+|ideal|perfect) (?:\w+ ){{0,3}}{CHILD}",
            rf"{CHILD}[- ](?:are )?welcome",
            rf"\bfor (?:the |all |whole |entire )*{CHILD}",
            r"\ball ages\b",
            rf"\b(?:allows?|welcomes?|bring) (?:\w+ ){{0,2}}{CHILD}",
            rf"\b{CHILD} (?:place|pub|restaurant|coffee|venue)",
        ],
    },
    "customer rating": {
        "1 out of 5": [
            r"\b(?:1|one)(?: out)? of (?:5|five)\b",
            r"\b(?:1|one)[- ]star",
            r"\b(?:rat\w+|scores?) (?:\w+ ){0,3}(?:1|one)\b",
        ],
        "3 out of 5": [
            r"\b(?:3|three)(?: out)? of (?:5|five)\b",
            r"\b(?:3|three)[- ]star",
            r"\b(?:rat\w+|scores?) (?:\w+ ){0,3}(?:3|three)\b",
        ],
        "5 out of 5": [
            r"\b(?:5|five)(?: out)? of (?:5|five)\b",
            r"\b(?:5|five)[- ]star",
            r"\b(?:rat\w+|scores?) (?:\w+ ){0,3}(?:5|five)\b",
        ],
        "low": [
            rf"\b(?:low(?:er|ly)?|poor(?:ly)?|bad(?:ly)?)(?:[- ]\w+){{0,2}}[- ]{RATE}",
            rf"{RATE}(?: \w+){{0,4}} (?:low|poor|bad)",
            r"\bnot (?:\w+ )?(?:highly|well)[- ]rated",
        ],
        "average": [
            rf"\b(?:average|averagely|decent|mediocre|moderate(?:ly)?)(?:[- ]\w+){{0,2}}[- ]{RATE}",
            rf"{RATE}(?: \w+){{0,4}} (?:average|decent|mediocre)",
        ],
        "high": [
            rf"\b(?:high(?:ly|er)?|excellent|great|good|top|well)(?:[- ]\w+){{0,2}}[- ]{RATE}",
            rf"{RATE}(?: \w+){{0,4}} (?:high|excellent|great)",
        ],
    },
    "priceRange": {
        "less than £20": [
            r"\b(?:less|lower|cheaper|under|below|no more|up to)(?: than)?(?: \w+){0,2} ?£? ?(?:20|twenty)",
            r"\bunder £ ?20",
        ],
        "£20-25": [r"£? ?(?:20|twenty)\s*(?:-|–|to|and|through)\s*£? ?(?:25|twenty[- ]five)"],
        "more than £30": [
            r"\b(?:more|over|above|higher|upwards|greater|excess|start(?:ing)?|at least|from)"
            r"(?: than| of| at| from)*(?: \w+)? ?£? ?(?:30|thirty)",
            r"(?:30|thirty)(?: pounds)? (?:and (?:up|over|above)|or more|plus|\+)",
            r"£30\+",
        ],
        "cheap": [
            r"\bcheap(?:er|ly)?\b",
            r"\binexpensive(?:ly)?\b",
            rf"\blow(?:er)?[- ]{PRICE}",
            r"\baffordable\b",
            rf"{PRICE}(?: \w+){{0,3}} (?:low|cheap)",
            r"\blow[- ]cost\b",
        ],
        "moderate": [
            rf"\b(?:moderate(?:ly)?|reasonabl[ey]|mid(?:dle)?|medium|fair(?:ly)?|average)(?:[- ]\w+){{0,1}}[- ]{PRICE}",
            rf"{PRICE}(?: \w+){{0,3}} (?:moderate|reasonable|average|medium|mid)",
        ],
        "high": [
            r"\bexpensive\b",
            r"\bpricey\b",
            rf"\b(?:high(?:ly|er)?|upper)(?:[- ]\w+){{0,1}}[- ]{PRICE}",
            r"\bhigh[- ]end\b",
            r"\bcostly\b",
            rf"{PRICE}(?: \w+){{0,3}} high",
        ],
    },
}
"""Slot → value → patterns, on lower-cased text without the values of name and near."""

ALIKE = {
    ("customer rating", "1 out of 5"): ("low",),
    ("customer rating", "low"): ("1 out of 5",),
    ("customer rating", "3 out of 5"): ("average",),
    ("customer rating", "average"): ("3 out of 5",),
    ("customer rating", "5 out of 5"): ("high",),
    ("customer rating", "high"): ("5 out of 5",),
    ("priceRange", "less than £20"): ("cheap",),
    ("priceRange", "cheap"): ("less than £20",),
    ("priceRange", "£20-25"): ("moderate",),
    ("priceRange", "moderate"): ("£20-25",),
    ("priceRange", "more than £30"): ("high",),
    ("priceRange", "high"): ("more than £30",),
}
"""Values that people use for each other in this set; saying one for the other counts as an error in the strict rate."""


def errors(text: str, slots: Mapping[str, str], *, lenient: bool = False) -> tuple[int, int]:
    """Missing and wrong or added slots of a description.

    A given slot is missing when none of its patterns matches. A slot that was not given is added when one of its
    values matches, a given one wrong when only other values do (then it is not counted as missing as well).
    `restaurant` is never taken for added: people call every place so.
    """
    missing = wrong = 0
    plain = text.lower()
    for name in ("name", "near"):
        value = slots.get(name)
        if value is not None:
            missing += value.lower() not in plain
            plain = plain.replace(value.lower(), " X ")
    for name, values in PATTERNS.items():
        said = {value for value, patterns in values.items() if any(re.search(each, plain) for each in patterns)}
        if name == "familyFriendly" and "no" in said:
            said.discard("yes")
        given = slots.get(name)
        if given is None:
            wrong += bool(said - {"restaurant"})
            continue
        right = {given, *(ALIKE.get((name, given), ()) if lenient else ())}
        if not said & right:
            wrong, missing = (wrong + 1, missing) if said - {"restaurant"} else (wrong, missing + 1)
    return missing, wrong
