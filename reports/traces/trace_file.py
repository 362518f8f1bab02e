"""The file of a trace: JSON, as reports/trace.schema.json describes it; checked before anything is made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

SCHEMA = {"name": "shootdown-trace", "version": "1.0"}

Trace = Mapping[str, Any]

SHAPE: dict[str, Any] = {
    "schema": {"name": str, "version": str},
    "architecture": str,
    "plugin": str,
    "era": str,
    "memory": str,
    "scenario": {"id": str, "title": str, "origin": str},
    "agents": [{"name": str, "cpu": int, "kind": str}],
    "cells": [{"array": str, "index": list, "shown": str, "panel": str, "values": [{"shown": str}]}],
    "steps": [
        {"agent": int, "outcome": int, "cpu": int, "step": str, "functions": [str], "reads": [int], "state": [int]}
    ],
}
"""What must be there; more may be."""


class TraceError(ValueError):
    """A text that is no trace; the message says where, and what was expected."""


class Line(NamedTuple):
    """A step as a form shows it: the CPU, who takes it, what it does, and its changes as (cell, before, after)."""

    cpu: int
    agent: str
    step: str
    changes: list[tuple[str, str, str]]


def read(text: str) -> Trace:
    """The trace that `text` is. TraceError if it is none, is cut off, or is of a version that this one cannot read."""
    try:
        trace = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"not JSON, or cut off: {error}") from None
    schema = trace.get("schema") if isinstance(trace, dict) else None
    name = schema.get("name") if isinstance(schema, dict) else None
    if name != SCHEMA["name"]:
        raise TraceError(f"its schema is {name!r}, expected {SCHEMA['name']!r}: a file of explain --save")
    version = str(schema.get("version")) if isinstance(schema, dict) else ""
    if version.partition(".")[0] != SCHEMA["version"].partition(".")[0]:
        raise TraceError(f"it is of version {version}, expected {SCHEMA['version']}")
    wrong = _misfit(trace, SHAPE, "") or _out_of_range(trace)
    if wrong:
        raise TraceError(wrong)
    whole: Trace = trace
    return whole


def lines(trace: Trace) -> Iterator[Line]:
    """The steps with what each has changed."""
    cells, agents = trace["cells"], trace["agents"]
    before = [0] * len(cells)
    for step in trace["steps"]:
        after = step["state"]
        changes = [
            (cell["shown"], cell["values"][old]["shown"], cell["values"][new]["shown"])
            for cell, old, new in zip(cells, before, after, strict=True)
            if old != new
        ]
        yield Line(step["cpu"], agents[step["agent"]]["name"], step["step"], changes)
        before = after


def title(trace: Trace) -> str:
    """One line that says what the trace is about."""
    return f"{trace['architecture']}, {trace['scenario']['id']}: {trace['scenario']['title']}"


def ending(trace: Trace) -> str:
    """What the trace violates at its end, in words; '' for nothing."""
    violated = trace.get("violated")
    return f"{violated['name']}: {violated['sentence']}" if violated else ""


def by_cpu(trace: Trace) -> dict[int, list[str]]:
    """The CPUs on which something happens, each with who acts there."""
    found: dict[int, list[str]] = {}
    for step in trace["steps"]:
        own = found.setdefault(step["cpu"], [])
        name = trace["agents"][step["agent"]]["name"]
        if name not in own:
            own.append(name)
    return dict(sorted(found.items()))


def _misfit(value: Any, shape: Any, where: str) -> str:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{where or 'the file'}: expected an object"
        missing = [key for key in shape if key not in value]
        if missing:
            return f"{where}{'.' if where else ''}{missing[0]} is missing"
        return next(filter(None, (_misfit(value[k], s, f"{where}.{k}".strip(".")) for k, s in shape.items())), "")
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where}: expected a list"
        return next(filter(None, (_misfit(one, shape[0], f"{where}[{n}]") for n, one in enumerate(value))), "")
    fits = isinstance(value, shape) and not (shape is int and isinstance(value, bool))
    return "" if fits else f"{where}: expected {shape.__name__}, found {type(value).__name__}"


def _out_of_range(trace: Trace) -> str:
    """Where a number names an agent, a cell or a value that is not there; ''."""
    cells, agents = trace["cells"], trace["agents"]
    for number, step in enumerate(trace["steps"]):
        if not 0 <= step["agent"] < len(agents):
            return f"steps[{number}].agent: there are {len(agents)} agents"
        if len(step["state"]) != len(cells):
            return f"steps[{number}].state: expected {len(cells)} values"
        if not _all_in(step["state"], [len(cell["values"]) for cell in cells]):
            return f"steps[{number}].state: a cell has no such value"
        if not _all_in(step["reads"], [len(cells)] * len(step["reads"])) or step["outcome"] < 0:
            return f"steps[{number}].reads: there are {len(cells)} cells"
    violated = trace.get("violated")
    if violated is not None and _misfit(
        violated, {"name": str, "kind": str, "sentence": str, "reads": [int]}, "violated"
    ):
        return "violated: expected name, kind, sentence and reads"
    return ""


def _all_in(numbers: Sequence[int], sizes: Sequence[int]) -> bool:
    return all(0 <= number < size for number, size in zip(numbers, sizes, strict=True))
