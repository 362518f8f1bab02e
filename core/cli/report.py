"""The results of a run as plain data, from which all reports are made (reports/schema.json).

Everything that must be looked up or computed is done here: facts, prices, trace steps.  The formats in `reports`
therefore import none of the modules that the results come from.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from core.base.printable import all_printable
from core.base.version import WORDS_VERSION, version
from core.conformance.scenarios import AREA_OF
from core.conformance.verdict import Result
from core.cost.price_model import DEFAULT, MODELS, PriceModel
from core.explore.model import Step
from core.facts import Facts
from reports.document import SCHEMA

if TYPE_CHECKING:
    from core.table.row import Row

SUITE_VERSION = "1.0"
"""A new required scenario raises the minor number. docs/versions.md has the promise."""


class Subject(NamedTuple):
    """A row that was judged, and its prices. `facts` is None if the plugin could not be set up.

    `distribution` is that of its plugin ('name version'), `digest` that of a third party's source.
    """

    name: str
    plugin: str
    era: str
    facts: Facts | None
    problem: str = ""
    model: PriceModel = MODELS[DEFAULT]
    distribution: str = ""
    digest: str = ""


def subjects_of(rows: Iterable[Row], model: PriceModel) -> list[Subject]:
    """The rows as subjects of a report, each with its own prices in `model`."""
    from core.plugins.origin import distribution_of

    return [
        Subject(r.name, r.plugin, r.era.name, r.stated, r.problem, r.model(model), distribution_of(r.plugin), r.digest)
        for r in rows
    ]


def document(
    subjects: Sequence[Subject],
    results: Sequence[Result],
    costs: Mapping[str, Mapping[str, Mapping[str, int]]],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The whole report. `costs` is by architecture, then workload; `settings` are the run's limits and searcher.

    `settings["containment"]` says how other people's code was contained; absent, or '', if there was none.
    `settings["seconds"]` is how long the run took.  What two runs do not agree on is all under the key `timing`.

    Whatever a plugin or a configuration calls something, the texts in a report are printable.
    """
    suite = {"version": SUITE_VERSION, "shootdown": version(), "hooks": WORDS_VERSION}
    suite |= {"memory_model": settings["memory"], "seed": settings["seed"]}
    models = {subject.name: subject.model for subject in subjects}
    suite |= {
        "searcher": settings["searcher"],
        "python": sys.version.split()[0],
        "bounds": settings["bounds"],
    }
    if settings.get("containment"):
        suite["containment"] = settings["containment"]
    whole: dict[str, Any] = all_printable(
        {
            "schema": SCHEMA,
            "suite": suite,
            "architectures": [_architecture(subject) for subject in subjects],
            "results": [result_of(result) for result in results],
            "costs": [
                {
                    "architecture": arch,
                    "workload": workload,
                    "counts": dict(counts),
                    "price": _price(counts, models[arch]),
                }
                for arch, workloads in costs.items()
                for workload, counts in workloads.items()
            ],
            "timing": timing_of(results, settings.get("seconds", 0.0)),
        }
    )
    return whole


def timing_of(results: Sequence[Result], seconds: float) -> dict[str, Any]:
    """How long the run took, and each cell that was searched, in seconds; `states_per_second` of its search."""
    cells = [
        {
            "architecture": result.architecture,
            "scenario": result.scenario,
            "seconds": round(result.seconds, 4),
            "states_per_second": round(result.states / result.seconds) if result.seconds else 0,
        }
        for result in results
        if result.verdict != "unsupported"
    ]
    return {"seconds": round(seconds, 3), "cells": cells}


def memory_of(subjects: Sequence[Subject], chosen: str) -> str:
    """The memory model that was chosen with --memory, in words; for 'arch' which rows ran under which."""
    if chosen != "arch":
        return chosen
    by_model: dict[str, list[str]] = {}
    for subject in subjects:
        if subject.facts is not None and subject.facts.smp and subject.facts.memory_model != "sc":
            by_model.setdefault(subject.facts.memory_model, []).append(subject.name)
    told = [f"{model}: {', '.join(rows)}" for model, rows in sorted(by_model.items())]
    return "; ".join([*told, "else sc"]) if told else "sc"


def _architecture(subject: Subject) -> dict[str, Any]:
    facts = subject.facts
    described: dict[str, Any] = {}
    if facts is not None:
        described = {
            name: getattr(facts, name)
            for name in (
                "smp",
                "memory_model",
                "preemption",
                "one_cpu",
                "gather",
                "page_size",
                "pointer_size",
                "ptes_per_table",
            )
        }
        described |= {"bundle": facts.bundle, "max_gather_batch": facts.batch_entries}
        described |= {"max_gather_batch_count": facts.batch_count if facts.gather else 0}
        described |= {name: getattr(facts, name) for name in ("rcu_table_free", "merge_vmas", "no_range", "hw_dirty")}
    return {
        "name": subject.name,
        "plugin": subject.plugin,
        "distribution": subject.distribution,
        "digest": subject.digest,
        "era": subject.era,
        "source": list(facts.sources) if facts else [],
        "family": facts.family if facts else "",
        "kernel": facts.kernel if facts else "",
        "capabilities": sorted(facts.capabilities) if facts else [],
        "facts": described,
        "problem": subject.problem,
    }


def _price(counts: Mapping[str, int], model: PriceModel) -> dict[str, Any]:
    """The price of counts; `unpriced` are the instructions without a coefficient."""
    price = model.price(counts)
    bounds = {"low": round(price.low), "high": round(price.high)}
    return {"model": model.name, "unit": "ns", **bounds, "unpriced": list(price.unpriced)}


def result_of(result: Result) -> dict[str, Any]:
    """A verdict as the report has it."""
    return {
        "architecture": result.architecture,
        "scenario": result.scenario,
        "area": AREA_OF.get(result.scenario, "large" if result.tier == "large" else "other"),
        "tier": result.tier,
        "verdict": result.verdict,
        "reason": result.reason,
        "violated": result.violated,
        "sentence": result.sentence,
        "exhaustive": result.exhaustive,
        "states": result.states,
        "transitions": result.transitions,
        "depth": result.depth,
        "bounds": result.bounds,
        "searcher": result.searcher,
        "reductions": list(result.reductions),
        "reached": list(result.reached),
        "unreached": list(result.unreached),
        "trace": [_step(step) for step in result.trace] or None,
    }


def _step(step: Step) -> dict[str, Any]:
    changes = [{"cell": cell, "before": before, "after": after} for cell, before, after in step.changes]
    finds = [{"cell": cell, "value": value} for cell, value in step.finds]
    return {"cpu": step.cpu, "thread": step.thread, "step": step.step, "changes": changes, "finds": finds}
