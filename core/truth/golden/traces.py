"""Golden traces: what the kernel's own gather and zap code did, compared with what core/mm does with the same input.

One JSON object per line (gzip): an address space, a configuration, and the events of the kernel's code compiled in
userspace.  A case is run through the same programs that the explorer proves.  Its event stream must be equal event by
event, its uncompressed stream by hash, and the counts in its summary by number.

Data types
    Case      one line, as read
    Outcome   'equal', 'different' with the first difference, 'not modelled' with the reason, or 'error'
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.machine.op import Cpu, Op, Outcome
from core.machine.schedule import ScheduleError, run
from core.mm.era import ERAS
from core.mm.syscalls import exit_mmap, munmap
from core.plugins.arch import Arch, PluginError, load_object, set_up
from core.plugins.own_words import own_words
from core.truth.golden.address_space import lay_out
from core.truth.golden.events import EventStream
from core.truth.lines import check_pages, json_object, read_lines

Case = dict[str, Any]

PLUGINS = {"smp": "arch_plugins.generic:Smp", "up": "arch_plugins.up:Up", "s390": "arch_plugins.s390:S390"}
"""Which plugin plays the configuration that a case names."""

CONFIG = {
    "arch": str,
    "smp": bool,
    "bundle": int,
    "max_gather_batch": int,
    "max_gather_batch_count": int,
    "page_size": int,
    "ptes_per_table": int,
    "upper_entries": int,
    "rcu_table_free": bool,
    "max_table_batch": int,
    "table_invalidate": bool,
    "no_range": bool,
    "merge_vmas": bool,
}

FIELDS = {
    "id": str,
    "kernel": str,
    "config": CONFIG,
    "fail_allocs": [int],
    "fullmm": bool,
    "nested": bool,
    "free_tables": bool,
    "populate_all": bool,
    "init_on_free": bool,
    "floor": int,
    "ceiling": int,
    "resched": [int],
    "vmas": [{"start": int, "runs": [(str, int)], "mixedmap?": bool}],
    "events": [list],
    "raw_sha256": str,
    "raw_lines": int,
    "summary": dict,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of one case. `detail` is the first difference, or the reason."""

    id: str
    kernel: str
    outcome: str
    detail: str = ""


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of a file of JSON lines; FileError at the first invalid line."""
    for where, line in read_lines(path):
        case = json_object(where, line, FIELDS)
        check_pages(where, (nr for vma in case["vmas"] for _, nr in vma["runs"]))
        yield case


def compare(case: Case) -> Comparison:
    """Run one case and compare its events with the recorded ones."""
    case_id, kernel = case["id"], case["kernel"]
    if kernel not in ERAS:
        return Comparison(case_id, kernel, "not modelled", f"kernel {kernel}")
    try:
        stream = replay(case)
    except (PluginError, ScheduleError, KeyError, ValueError, TypeError) as error:
        return Comparison(case_id, kernel, "error", f"{type(error).__name__}: {error}")
    difference = _first_difference(case, stream)
    return Comparison(case_id, kernel, "different" if difference else "equal", difference)


def _first_difference(case: Case, stream: EventStream) -> str:
    expected, got = case["events"], stream.compressed()
    for at, (left, right) in enumerate(zip(expected, got, strict=False)):
        if left != right:
            return f"event {at}: expected {json.dumps(left)}, got {json.dumps(right)}"
    if len(expected) != len(got):
        at = min(len(expected), len(got))
        more, who = (expected, "missing") if len(expected) > at else (got, "unexpected")
        return f"event {at}: {who} {json.dumps(more[at])}"
    if stream.lines != case["raw_lines"] or stream.digest() != case["raw_sha256"]:
        return (
            f"raw stream: {stream.lines} lines, {stream.digest()}; expected {case['raw_lines']}, {case['raw_sha256']}"
        )
    for name, value in stream.summary().items():
        if case["summary"].get(name) != value:
            return f"summary {name}: expected {case['summary'].get(name)}, got {value}"
    return ""


def replay(case: Case) -> EventStream:
    """The events of core/mm on the case's input."""
    arch = architecture(case["config"])
    space = lay_out(case, arch.facts)
    mm = space.mm(arch, ERAS[case["kernel"]])
    said = mm.hook.cells_of_mm(mm=mm, cpus=frozenset({Cpu(0), Cpu(1)}))  # not this task's alone
    space.cells.update(own_words("cells_of_mm", said))
    stream = EventStream(arch.facts.gather, arrays=mm.era.folio_entries)
    script = Script(case["fail_allocs"], case["resched"])

    def emit(event: tuple[Any, ...]) -> None:
        if event[0] == "cond_resched":
            script.rescheduled()
        elif event[0] == "call_rcu":
            stream.emit("call_rcu", len(event[1]))
            stream.queued.append(event[1])
        elif event[0] == "gather":
            stream.watch(event[1])
        elif event[0] not in ("ask", "ipi", "insn"):
            stream.emit(*event)

    def answer(op: Op, outcomes: Any) -> Outcome:
        assert op.event is not None
        value = script.answer(op.event[1])
        if op.event[1] != "resched":
            stream.emit(f"{op.event[1]}_alloc", value)
        elif value:
            stream.emit("resched")
        chosen: Outcome = next(outcome for outcome in outcomes if outcome.value == value)
        return chosen

    if case["fullmm"]:
        call = exit_mmap(mm, space.vmas)
    else:
        call = munmap(mm, space.vmas, case["floor"], case["ceiling"])
    run(call, space.cells, answer, emit)
    stream.emit("done")
    stream.run_rcu_callbacks()
    return stream


class Script:
    """The answers to allocations and need_resched() that a case prescribes."""

    def __init__(self, fail_allocs: list[int], resched: list[int]) -> None:
        self.fail_allocs, self.resched = frozenset(fail_allocs), frozenset(resched)
        self.allocations = self.queries = 0
        self.raised = False

    def answer(self, what: str) -> bool:
        """True for a page, or if the flag is set."""
        if what != "resched":
            self.allocations += 1
            return self.allocations not in self.fail_allocs
        self.queries += 1
        self.raised |= self.queries in self.resched
        return self.raised

    def rescheduled(self) -> None:
        """A voluntary reschedule point has been passed."""
        self.raised = False


def architecture(config: dict[str, Any]) -> Arch:
    """The plugin and facts for a case's `config`."""
    name = "s390" if config["arch"] == "s390" else ("smp" if config["smp"] else "up")
    facts: dict[str, Any] = {
        key: config[key]
        for key in (
            "bundle",
            "page_size",
            "ptes_per_table",
            "upper_entries",
            "rcu_table_free",
            "merge_vmas",
            "no_range",
        )
    }
    facts["max_gather_batch"] = config["max_gather_batch"] or None  # 0 where the kernel has no such batch
    facts["max_gather_batch_count"] = config["max_gather_batch_count"]
    facts["max_table_batch"] = config["max_table_batch"] or None
    plugin = load_object(PLUGINS[name])
    if not config["table_invalidate"]:
        plugin = _without_table_invalidate(plugin)
    return set_up(name, plugin, PLUGINS[name], facts)


def _without_table_invalidate(plugin: object) -> object:
    from core.hookspecs import hookimpl

    class SoftwareWalk(type(plugin)):  # type: ignore[misc]
        @hookimpl
        def tlb_needs_table_invalidate(self) -> bool:
            return False

    return SoftwareWalk()
