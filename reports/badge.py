"""A badge: the JSON that an endpoint of shields.io reads (https://shields.io/badges/endpoint-badge)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reports.gate import UNEXPECTED, unfinished


def badge(report: Mapping[str, Any]) -> str:
    """The badge of a run: how many scenarios are proved, or what stands against it; green only if nothing does."""
    results = report["results"]
    wrong = sum(r["verdict"] in UNEXPECTED for r in results)
    declared = sum(r["verdict"] == "xfail" for r in results)
    open_ = sum(map(unfinished, results))
    proved = sum(r["verdict"] == "pass" for r in results)
    said = [f"{proved} proved"]
    said += [f"{wrong} not as declared"] if wrong else []
    said += [f"{declared} fail as declared"] if declared else []
    said += [f"{open_} unfinished"] if open_ else []
    colour = "red" if wrong else "yellow" if declared or open_ or not proved else "brightgreen"
    label = f"shootdown {report['suite']['version']}"
    return json.dumps({"schemaVersion": 1, "label": label, "message": ", ".join(said), "color": colour}) + "\n"
