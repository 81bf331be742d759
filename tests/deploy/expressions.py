"""What an expression of Prometheus asks for: its metrics, and the labels that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import promql_parser as promql

ADDED = frozenset({"job", "instance"})
"""Labels that Prometheus itself puts on everything that it scrapes."""
VARIABLES = {"$__rate_interval": "5m"}
"""What stands for a variable of Grafana that is not within a string."""

Exposed = Mapping[str, frozenset[str]]
"""Name of a sample -> its labels."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One metric in an expression, and the labels that it is chosen by."""

    name: str
    labels: frozenset[str]


def parsed(expression: str) -> promql.Expr:
    """ValueError: it is no expression."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return promql.parse(expression)


def nodes(expression: promql.Expr) -> list[promql.Expr]:
    """Every part of it."""
    found: list[promql.Expr] = []
    promql.walk(expression, lambda node: found.append(node))
    return found


def selectors(expression: promql.Expr) -> Iterator[Selector]:
    for node in nodes(expression):
        vector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
        if isinstance(vector, promql.VectorSelector):
            assert vector.name, f"{vector.prettify()} names no metric"
            labels = frozenset(matcher.name for matcher in vector.matchers.matchers)
            yield Selector(vector.name, labels)


def grouped(expression: promql.Expr) -> set[str]:
    """The labels of every `by (...)`."""
    return {
        label
        for node in nodes(expression)
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None
        for label in node.modifier.labels
    }


def faults(expression: str, exposed: Exposed) -> list[str]:
    """What it names that is not there, one sentence each."""
    tree = parsed(expression)
    found = list(selectors(tree))
    if not found:
        return [f"{expression} asks for no metric"]
    wrong = [f"{each.name} is not exposed" for each in found if each.name not in exposed]
    known = set(ADDED)
    for each in found:
        labels = exposed.get(each.name, frozenset())
        known |= labels
        wrong += [f"{each.name} has no {label}" for label in each.labels - labels - ADDED]
    return wrong + [f"{expression} groups by {label}" for label in grouped(tree) - known]


def kept_labels(expression: str, exposed: Exposed) -> set[str]:
    """The labels that its outcome may have: those of its outermost `by`, else of its metrics."""
    tree = parsed(expression)
    for node in nodes(tree):
        if isinstance(node, promql.AggregateExpr) and not node.prettify().startswith("topk"):
            return set(node.modifier.labels) if node.modifier is not None else set()
    return set(ADDED).union(*(exposed[each.name] for each in selectors(tree)))


def placeholders(text: str) -> set[str]:
    """Labels in the legend of a panel: {{backend}}."""
    return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text))


def label_placeholders(text: str) -> set[str]:
    """Labels in the text of an alert: {{ $labels.backend }}."""
    return set(re.findall(r"\$labels\.(\w+)", text))
