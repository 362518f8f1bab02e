"""A trace in the Informal Trace Format of Apalache (ADR-015), which its viewers and scripts read."""

from __future__ import annotations

import json
from typing import Any

from reports.traces.trace_file import Trace, ending, title

SAFE = 2**53
"""Beyond this JSON readers lose digits: ITF writes such numbers as {"#bigint": "..."}."""


def itf(trace: Trace) -> str:
    """The text: one state per step, and the initial one; a variable per cell, and `step` with what has led there."""
    cells = trace["cells"]
    names = [cell["shown"] for cell in cells]
    states = [_state(trace, number) for number in range(len(trace["steps"]) + 1)]
    described = {"format": "ITF", "description": title(trace), "violated": ending(trace)}
    return json.dumps({"#meta": described, "vars": ["step", *names], "states": states}, indent=1) + "\n"


def _state(trace: Trace, number: int) -> dict[str, Any]:
    cells = trace["cells"]
    step = trace["steps"][number - 1] if number else None
    values = step["state"] if step else [0] * len(cells)
    took = f"CPU{step['cpu']} {trace['agents'][step['agent']]['name']}: {step['step']}" if step else ""
    told = {
        cell["shown"]: _value(cell["values"][value].get("value", cell["values"][value]["shown"]))
        for cell, value in zip(cells, values, strict=True)
    }
    return {"#meta": {"index": number}, "step": took, **told}


def _value(value: Any) -> Any:
    if value is None:
        return "none"
    if isinstance(value, list):
        return {"#tup": [_value(one) for one in value]}
    if isinstance(value, dict):
        if set(value) == {"set"} and isinstance(value["set"], list):
            return {"#set": [_value(one) for one in value["set"]]}
        return {str(key): _value(one) for key, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= SAFE:
        return {"#bigint": str(value)}
    return value
