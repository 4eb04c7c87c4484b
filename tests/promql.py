"""What an expression of PromQL names: metrics, labels, and the values of labels.

It knows only as much of the language as our expressions use, and refuses the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_WORDS = {
    *("and", "bool", "by", "offset", "on", "or", "unless"),
    *(
        "absent",
        "avg",
        "clamp_max",
        "count",
        "histogram_quantile",
        "increase",
        "max",
        "min",
        "rate",
        "sum",
    ),
    *("time", "vector"),
}
_SELECTOR = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*\{(?P<matchers>[^}]*)\}")
_MATCHER = re.compile(r'(?P<label>\w+)\s*(?P<operator>=~|!=|!~|=)\s*"(?P<value>[^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on)\s*\((?P<labels>[^)]*)\)")


@dataclass
class Names:
    """What an expression names."""

    #: The labels of each metric's matchers.
    metrics: dict[str, set[str]] = field(default_factory=dict)
    #: The labels by which it groups or joins.
    groupings: set[str] = field(default_factory=set)
    #: Metric, label and value of each matcher with a fixed value.
    values: set[tuple[str, str, str]] = field(default_factory=set)


def names_in(expression: str) -> Names:
    """Every metric and label that *expression* names."""
    names = Names()
    for selector in _SELECTOR.finditer(expression):
        labels = names.metrics.setdefault(selector["name"], set())
        for matcher in _MATCHER.finditer(selector["matchers"]):
            labels.add(matcher["label"])
            if matcher["operator"] in ("=", "!=") and "$" not in matcher["value"]:
                names.values.add((selector["name"], matcher["label"], matcher["value"]))
    for grouping in _GROUPING.finditer(expression):
        names.groupings.update(re.findall(r"\w+", grouping["labels"]))
    rest = _GROUPING.sub(" ", re.sub(r"\{[^}]*\}", " ", expression))
    rest = re.sub(r"\[[^\]]*\]", " ", rest)
    for word in re.findall(r"(?<!\w)[A-Za-z_]\w*", rest):
        if word not in _WORDS:
            names.metrics.setdefault(word, set())
    return names
