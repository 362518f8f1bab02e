"""Emulated cells: the TLB-maintenance instructions that stock kernels executed, against what the plugins predict.

A file has one JSON object per line (gzip): a system call on a mapping, and how often each CPU executed each
instruction while the call ran.  The prediction lays out the mapping, runs the system call of core/mm with the plugin
of the cell's architecture, kernel and CPU, and counts the events ('insn', cpu, name, nr).

Instructions of bystanders (a context switch, the idle loop, page faults of other processes) are recognised by the
symbol that they were executed in, and left out (`BYSTANDERS`).  SBI_ECALL also sets timers and sends IPIs, from the
same address, so a cell may have more of them than predicted; the fences that the firmware executes for them
(M_SFENCE_*) must be equal.

Data types
    Row           one line, as read
    Comparison    core.truth.golden.traces's
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import ScheduleError, run
from core.machine.task import Task
from core.mm.era import ERAS, Era
from core.mm.mm import Choices, Mm, Vma
from core.mm.mmu_gather import MmuGather
from core.mm.pgtable import upper_entry
from core.mm.syscalls import CALLS, Mapping
from core.plugins.arch import Arch, PluginError, load_object, set_up
from core.plugins.own_words import own_words
from core.truth.emulated.rescheduled import MOST_CUTS, Price, Stretch, guesses
from core.truth.golden.traces import Comparison
from core.truth.lines import Shape, check_pages, json_object, read_lines

Row = dict[str, Any]
Counts = dict[str, list[int]]

FIELDS: dict[str, Shape] = {
    "id": str,
    "arch": str,
    "kernel": str,
    "cpu_model": str,
    "run": str,
    "kind": str,
    "op": str,
    "threads": str,
    "pages": int,
    "keep_neighbours": int,
    "insn": dict,
    "sites": [(str, str, int, int)],
}
"""The keys of every line, with their types."""

INSTRUCTIONS = {
    "arm64": ("TLBI_", "DSB_"),
    "s390x": ("IPTE", "IDTE", "CSP"),
    "riscv64": ("SFENCE", "M_SFENCE", "SBI_ECALL"),
    "x86_64": ("INVLPG", "MOV_CR3", "INVPCID"),
}
"""Prefixes of an architecture's instructions; any other name in a row is a kernel function."""

BYSTANDERS = {
    "__switch_to": "a context switch: DSB ISH in arch/arm64/kernel/process.c:__switch_to()",
    "do_idle": "the idle loop",
    "cpu_do_idle": "the idle loop",
    "finish_arch_post_lock_switch": "a task switched in pays a flush put off before, arch/s390",
    "ptep_xchg_direct": "a page fault of some process: ptep_clear_flush(), arch/s390",
}
"""Kernel functions that no measured call enters, by what they are executed for."""

OPERATIONS = frozenset({"munmap", "dontneed", "mprotect_ro"})
"""The calls that the cells are of: a row tells what those find, and no more."""

START = 1 << 30
"""The first page mapped: the start of a table at every level, whatever the architecture."""


def recognises(path: Path) -> bool:
    """Whether the first line of the file is an emulated cell. FileError if it is empty or not JSON."""
    for where, line in read_lines(path):
        return {"insn", "arch"} <= set(json_object(where, line, {}))
    return False


def compare_file(path: Path) -> Iterator[Comparison]:
    """Compare every cell of a file with its prediction.

    Whether the CPU of an arm64 run has range instructions (FEAT_TLBIRANGE) is inferred from the run: a kernel that
    finds the feature uses them for two pages or more, and one that does not cannot (system_supports_tlb_range()).
    """
    rows = []
    for where, line in read_lines(Path(path)):
        rows.append(json_object(where, line, FIELDS))
        check_pages(where, (rows[-1]["pages"],))
    ranges = {row["run"] for row in rows if any(name.startswith("TLBI_R") for name in row["insn"])}
    for row in rows:
        yield compare(row, row["run"] in ranges)


RESCHEDULED = "equal with the caller rescheduled inside the zap"
ALREADY_INVALID = "equal with entries that were already invalid"


def compare(row: Row, ranges: bool | None = None) -> Comparison:
    """One cell. `ranges`: the CPU has range instructions; None goes by the name of its model."""
    version = ".".join(row["kernel"].split(".")[:2])
    missing = _not_modelled(row, version)
    if missing:
        return Comparison(row["id"], version, "not modelled", missing)
    try:
        arch, era = architecture(row, version, row["cpu_model"] == "max" if ranges is None else ranges), ERAS[version]
        predicted = predict(row, arch, era).counts
        detail = difference(row, predicted)
        if detail and rescheduled(row, arch, era):
            return Comparison(row["id"], version, "equal", RESCHEDULED)
        if detail and not difference(row, without_invalid(row, predicted)):
            return Comparison(row["id"], version, "equal", ALREADY_INVALID)
    except (PluginError, ScheduleError, KeyError, ValueError, TypeError, IndexError) as error:
        return Comparison(row["id"], version, "error", f"{type(error).__name__}: {error}")
    return Comparison(row["id"], version, "different" if detail else "equal", detail)


def _not_modelled(row: Row, version: str) -> str:
    if row["arch"] not in INSTRUCTIONS:
        return f"architecture {row['arch']}"
    if version not in ERAS:
        return f"kernel {version}"
    if row["op"] not in OPERATIONS:
        return f"operation {row['op']}"
    if row["threads"] not in THREADS:
        return f"threads {row['threads']}"
    if row["kind"] not in ("anon", "shm_clean", "shm_dirty"):
        return f"kind {row['kind']}"
    return ""


# ---- prediction ----------------------------------------------------------------------------------------------

THREADS: dict[str, tuple[frozenset[Cpu], frozenset[Cpu]]] = {
    "single": (frozenset({Cpu(0)}), frozenset()),
    "spin_cpu1": (frozenset({Cpu(0), Cpu(1)}), frozenset()),
    "lazy_cpu1": (frozenset({Cpu(0), Cpu(1)}), frozenset({Cpu(1)})),
}
"""(CPUs that the mm is attached to, those of them that are lazy): a second thread runs on CPU 1, or sleeps there."""


def architecture(row: Row, version: str, ranges: bool) -> Arch:
    """The plugin that plays a cell's kernel on its CPU."""
    name, variant = row["arch"], "smp"
    if name == "arm64":
        variant = "range" if ranges else "strides"
    elif "-up" in row["kernel"]:
        variant = "up"
    reference = PLUGINS[name, variant].format("" if version == "6.12" else f"V{version.replace('.', '')}")
    plugin = load_object(reference)
    if name == "x86_64":
        plugin.lazy = THREADS[row["threads"]][1]
    return set_up(name, plugin, reference)


PLUGINS = {
    ("arm64", "strides"): "arch_plugins.arm64:Arm64{}",
    ("arm64", "range"): "arch_plugins.arm64:Arm64Range{}",
    ("riscv64", "smp"): "arch_plugins.riscv:Riscv",
    ("s390x", "smp"): "arch_plugins.s390:S390",
    ("x86_64", "smp"): "arch_plugins.x86:X86",
    ("x86_64", "up"): "arch_plugins.x86:X86Up",
}
"""By architecture and variant; {} is the version where it matters and is not 6.12."""


class Prediction(NamedTuple):
    """Instruction -> how often each of the two CPUs executes it, and the stretches flushed
    because of their entries."""

    counts: Counts
    flushes: list[Stretch]


def predict(row: Row, arch: Arch, era: Era, cuts: Sequence[int] = ()) -> Prediction:
    """What the call executes; need_resched() is true once before each page of `cuts`."""
    made = Prediction({}, [])
    start = START + row["keep_neighbours"]  # the neighbour below is the first page that is mapped
    vma = Vma(start, start + row["pages"])
    task = Task("caller", Tid(1), Cpu(0))
    cpus, _ = THREADS[row["threads"]]
    mm = Mm(
        arch.facts,
        era,
        arch.hook,
        task,
        is_anon=lambda page: bool(row["kind"] == "anon"),
        tables=True,
        cpus=cpus,
        choices=Choices(resched=bool(cuts)),
    )
    zapped, pending = start, list(cuts)

    def emit(event: tuple[Any, ...]) -> None:
        if event[0] == "insn":
            made.counts.setdefault(event[2], [0, 0])[event[1]] += event[3]
        elif event[0] == "flush" and "tables" not in event[3]:
            made.flushes.append((event[1], event[2]))

    def answer(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
        """need_resched(), which is asked before each page; that is the only choice."""
        nonlocal zapped
        no, yes = outcomes
        if pending and pending[0] == zapped:
            del pending[0]
            return yes
        zapped += 1
        return no

    floor, ceiling = (vma.start, vma.end) if row["keep_neighbours"] else (0, 0)
    call = CALLS[row["op"]](mm, Mapping(vma, (), floor, ceiling))
    cells = lay_out(row, arch, era, vma)
    cells.update(own_words("cells_of_mm", mm.hook.cells_of_mm(mm=mm, cpus=cpus)))
    run(call, cells, answer if cuts else _only, emit, [take_ipi(task.tid, Cpu(1), ())])
    return made


def lay_out(row: Row, arch: Arch, era: Era, vma: Vma) -> Memory:
    """Every page mapped and writable, with the tables that takes.

    The pages of a file in memory are dirty from the start, and so is an entry that maps one for reading: on s390 always
    (arch/s390/include/asm/pgtable.h:mk_pte()), elsewhere since set_pte_range() looks at the folio (after v6.12).
    """
    cells = Memory()
    dirty = row["kind"] != "shm_clean" or row["arch"] == "s390x" or era.resched_first
    for addr in range(vma.start, vma.end):
        cells[pte_cell(addr)] = Pte(addr - vma.start, True, dirty)
    first, last = vma.start, vma.end - 1
    for level, span in enumerate((arch.facts.ptes_per_table, arch.facts.upper_entries, arch.facts.upper_entries)):
        first, last = first // span, last // span
        for number, index in enumerate(range(first, last + 1)):
            cells[upper_entry(level, index)] = number
    return cells


def _only(op: Op, outcomes: Any) -> Outcome:
    raise ScheduleError(f"{op.name} has {len(outcomes)} outcomes; a measured call has no choice")


# ---- rescheduling --------------------------------------------------------------------------------------------


def rescheduled(row: Row, arch: Arch, era: Era) -> bool:
    """Whether the cell is as predicted if the caller was rescheduled inside the zap, as often as it counts at most.

    On arm64 only, where the barrier of __switch_to() counts that; core.truth.emulated.rescheduled says how.
    """
    switches = sum(nr for _, place, nr, _ in row["sites"] if place.startswith("__switch_to+"))
    made, found = predict(row, arch, era), counted(row)
    names = made.counts.keys() | found.keys()
    total = {name: found.get(name, [0])[0] - made.counts.get(name, [0])[0] for name in names}
    cuts = total.get("DSB_ISHST", 0)  # each flush begins with one
    if not 0 < cuts <= min(switches, MOST_CUTS):
        return False
    price = cache(partial(_price, Mm(arch.facts, era, arch.hook, Task("caller", Tid(1), Cpu(0)))))
    for flush in made.flushes:
        total = {name: nr + price(flush).get(name, 0) for name, nr in total.items()}
    return any(
        not difference(row, predict(row, arch, era, at).counts) for at in guesses(made.flushes, price, total, cuts)
    )


def _price(mm: Mm, stretch: Stretch) -> Price:
    """The instructions of the flush of a gather in which entries of these pages were cleared."""
    price: Price = {}

    def emit(event: tuple[Any, ...]) -> None:
        if event[0] == "insn":
            price[event[2]] = price.get(event[2], 0) + event[3]

    start, end = stretch
    tlb = MmuGather(mm, False, [], start=start, end=end, cleared_ptes=True)
    run(mm.hook.tlb_flush(tlb=tlb), Memory(), _only, emit)
    return price


# ---- entries already invalid ---------------------------------------------------------------------------------

FLUSH_LAZY = "ptep_flush_lazy"
"""arch/s390/mm/pgtable.c: called once for each entry that the zap takes out."""


def without_invalid(row: Row, predicted: Counts) -> Counts:
    """The prediction without the IPTEs of entries that were old, where the row counts the calls of FLUSH_LAZY.

    An old entry is invalid on s390 (pte_mkold() sets _PAGE_INVALID), and ptep_flush_lazy() then returns before its
    IPTE.  Who has aged entries (DAMON, reclaim) is in no row, but the calls are: they must be as many as the entries
    that should go, and the IPTEs may then be fewer.  With fewer calls entries were left out, which is a difference.
    """
    calls, flushed = _calls(row, FLUSH_LAZY), counted(row).get("IPTE", [0, 0])
    entries = predicted.get("IPTE", [0, 0])
    if calls != entries or any(nr > most for nr, most in zip(flushed, entries, strict=True)):
        return predicted
    rest = {name: nr for name, nr in predicted.items() if name != "IPTE"}
    return {**rest, "IPTE": flushed} if any(flushed) else rest


def _calls(row: Row, function: str) -> list[int]:
    """How often each CPU entered a kernel function, under whatever suffix the compiler has given it."""
    total = [0, 0]
    for name, _, *cpus in row["sites"]:
        if str(name).split(".")[0] == function:
            total = [a + b for a, b in zip(total, cpus, strict=True)]
    return total


# ---- comparison ----------------------------------------------------------------------------------------------


def counted(row: Row) -> Counts:
    """What was executed, without bystanders."""
    counts: Counts = {}
    for name, place, *cpus in row["sites"]:
        symbol = str(place).split("+")[0].split(".")[0]
        if str(name).startswith(INSTRUCTIONS[row["arch"]]) and symbol not in BYSTANDERS:
            total = counts.setdefault(name, [0, 0])
            for cpu, nr in enumerate(cpus):
                total[cpu] += nr
    return {name: nr for name, nr in counts.items() if any(nr)}


def difference(row: Row, predicted: Counts) -> str:
    """'' if the cell is as predicted."""
    measured = counted(row)
    expected = dict(predicted)
    calls, fences = measured.pop("SBI_ECALL", [0, 0]), expected.pop("SBI_ECALL", [0, 0])
    if measured == expected and all(n >= least for n, least in zip(calls, fences, strict=True)):
        return ""
    return f"predicted {json.dumps(predicted, sort_keys=True)}, counted {json.dumps(counted(row), sort_keys=True)}"
