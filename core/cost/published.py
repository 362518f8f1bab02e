"""Published effects beside what the counts and the coefficients say, misses included.

Each effect is predicted from counts of the programs (core.cost.account) and from coefficients of *other* publications
wherever there are any; where one number of a publication had to be taken to predict its others, the effect says so.

Data types
    Effect(name, what, published, predicted, unit, source, note)    two ranges; they agree or are `off` by so much
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.arch import Arch, load_object, set_up
from core.cost.account import account
from core.cost.coefficients import ELIDE, HANSEN, LATR, LOCAL, VAN_RIEL
from core.cost.counts import CEILING
from core.cost.model import MODELS, Model
from core.cost.workloads import Step, Workload, page_fault3
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import run
from core.machine.task import Task
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.reclaim import shrink_folio_list

Range = tuple[float, float]

LKP = "kernel test robot and Y. Huang, LKML 2022-12-05 to 07, page_fault3"
GHITI = "A. Ghiti, riscv: Add support for BATCHED_UNMAP_TLB_FLUSH, 2024-01"
SMP, INVLPGB, RISCV = "arch_plugins.generic:Smp", "arch_plugins.x86_invlpgb:X86Invlpgb", "arch_plugins.riscv:Riscv"
CLOSE = 0.1
"""Benchmarks come out this differently from run to run."""

SWAP_CLUSTER_MAX = 32
"""Pages that reclaim takes at a time, include/linux/swap.h."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A published number or range, and the predicted one in the same unit."""

    name: str
    what: str
    published: Range
    predicted: Range
    unit: str
    source: str
    note: str = ""

    @property
    def verdict(self) -> str:
        """'agrees' where the ranges meet, 'within 10 %' of the published one, otherwise by how much they miss."""
        (low, high), (least, most) = self.published, self.predicted
        if least <= high and low <= most:
            return "agrees"
        gap, end = (least - high, high) if least > high else (low - most, low)
        return "within 10 %" if gap <= CLOSE * end else f"off by {100 * gap / end:.0f} %"


def effects() -> Iterator[Effect]:
    """All of them."""
    yield from page_fault3_regression()
    yield from ceiling()
    yield from invlpgb()
    yield from arm64_broadcast()
    yield from riscv_batched_unmap()


# ---- 5df397dec7c4 and its repair -----------------------------------------------------------------------------

THREADS = 16
BEFORE, BROKEN, REPAIRED = 4.834e6, 2.257e6, 4.889e6
"""Operations a second before, with and after: commits before 5df397dec7c4, it, and c47454823bd4."""


def page_fault3_regression() -> Iterator[Effect]:
    """Every 8 dirty pages a flush on 16 threads' CPUs, and every table again.

    An operation is a page written, so its time is that of a fault and a share of a flush.
    """
    pages = 2048
    arch = _arch(SMP)
    flushes = {e: account(arch, ERAS[e], page_fault3(pages), THREADS) for e in ("6.1", "5df397dec7", "6.2-fix")}
    per_flush = {name: counts["flushes"] / pages for name, counts in flushes.items()}
    model = MODELS["milan"]
    times = {name: _scaled(_flush_time(model, counts), 1 / pages) for name, counts in flushes.items()}
    one = 1e9 * THREADS / BEFORE  # nanoseconds of an operation as it was
    left = {
        name: _percent([one / (one + more - less) for more, less in zip(t, times["6.1"], strict=True)])
        for name, t in times.items()
    }
    yield Effect(
        "5df397dec7c4: page_fault3",
        f"operations a second that are left, {THREADS} threads: a flush every {1 / per_flush['5df397dec7']:.0f} pages, "
        f"not every {1 / per_flush['6.1']:.0f}",
        (100 - 53.3, 100 - 41.6),
        left["5df397dec7"],
        "%",
        LKP,
        "IPIs at Milan's price. A CPU that several threads ask at once finds its generation behind and flushes "
        "everything (iTLB loads +1441 %); refills after that are not in the model",
    )
    yield Effect(
        "c47454823bd4: the repair",
        "operations a second after it, against before 5df397dec7c4",
        (100 * REPAIRED / BEFORE,) * 2,
        left["6.2-fix"],
        "%",
        LKP,
        "the same flushes as before, so all is back",
    )


def _flush_time(model: Model, counts: dict[str, int]) -> Range:
    """Nanoseconds of flushes and IPIs alone."""
    price = model.price(counts)
    parts = [price.parts["local"], price.parts["remote"]]
    return sum(p[0] for p in parts), sum(p[1] for p in parts)


# ---- 33 pages ------------------------------------------------------------------------------------------------

GHZ, TRACING = 2.6, 335
CYCLES = {2: 1505, 4: 2447, 8: 3542, 16: 5041, 32: 9350, 33: 8534}
"""flush_tlb_mm_range() by pages, traced, and what tracing adds. One page is what `base` is from."""


def ceiling() -> Iterator[Effect]:
    """A flush page by page on Ivy Bridge, and where everything at once gets cheaper."""
    for pages, cycles in CYCLES.items():
        ivy = MODELS["ivybridge"].coefficients
        nanoseconds = (cycles - TRACING) / GHZ
        yield Effect(
            f"flush of {pages} pages, Ivy Bridge",
            "flush_tlb_mm_range() here alone, without tracing",
            (nanoseconds, nanoseconds),
            (
                _low(ivy["base"]) + pages * _low(ivy["invlpg"]),
                _high(ivy["base"]) + pages * _high(ivy["invlpg"]),
            ),
            "ns",
            HANSEN,
            "base is from one page of the same table",
        )
    for name, machine in (("ivybridge", "Ivy Bridge"), ("zen4", "Zen 4, KVM guest")):
        c = MODELS[name].coefficients
        yield Effect(
            f"tlb_single_page_flush_ceiling, {machine}",
            "pages from which a flush of everything and its refills are cheaper",
            (CEILING, CEILING),
            (
                (_low(c["full"]) + _low(c["refill"])) / _high(c["invlpg"]),
                (_high(c["full"]) + _high(c["refill"])) / _low(c["invlpg"]),
            ),
            "pages",
            HANSEN,
            "chosen for all x86; refills after a flush are paid by nested paging there" if name == "zen4" else "",
        )


# ---- INVLPGB -------------------------------------------------------------------------------------------------

LOOPS = {1: (315e3, 304e3), 4: (644e3, 1032e3), 16: (737e3, 1368e3), 72: (609e3, 993e3)}
"""Loops a second of tlb_flush2 by threads: with IPIs, with INVLPGB (which one thread alone does not use)."""
FITTED = 16


def invlpgb() -> Iterator[Effect]:
    """One IPI costs the same whoever many are sent: fitted at 16 threads, the others predicted."""
    one_loop = Workload("tlb_flush2 loop", "", (Step((("anon_dirty", 1),)),))
    counts = {n: _counted(SMP, one_loop, n) for n in LOOPS}
    broadcast = {n: _counted(INVLPGB, one_loop, n) for n in LOOPS}
    ipi = _loop_difference(FITTED) / (counts[FITTED]["ipis"] - broadcast[FITTED]["ipis"])
    for threads, (by_ipi, by_invlpgb) in LOOPS.items():
        if threads == FITTED:
            continue
        saved = (counts[threads]["ipis"] - broadcast[threads]["ipis"]) * ipi
        loop = 1e9 * threads / by_invlpgb
        yield Effect(
            f"INVLPGB, {threads} thread{'s' * (threads > 1)}",
            "tlb_flush2 loops a second with INVLPGB against IPIs",
            (by_invlpgb / by_ipi,) * 2,
            ((loop + saved) / loop,) * 2,
            "times",
            VAN_RIEL,
            f"{ipi:.0f} ns per IPI, fitted at {FITTED} threads",
        )
    sender = _low(MODELS["milan"].coefficients["ipi"]) * 15, _high(MODELS["milan"].coefficients["ipi"]) * 15
    yield Effect(
        "IPIs to 16 cores",
        "one shootdown",
        (6000, 6000),
        sender,
        "ns",
        LATR,
        "from Milan's loops, where taking the interrupts of others is included",
    )


def _loop_difference(threads: int) -> float:
    """Nanoseconds of a thread's loop that IPIs take more than INVLPGB."""
    by_ipi, by_invlpgb = LOOPS[threads]
    return 1e9 * threads / by_ipi - 1e9 * threads / by_invlpgb


# ---- arm64 ---------------------------------------------------------------------------------------------------

OPERATIONS = {1: (9109.0, 8903.0), 8: (5119.0, 11854.0), 32: (1593.0, 15328.0), 128: (1315.0, 8257.0)}
"""Operations a second of stress-ng tlb-shootdown by workers: broadcast, local where the mm is on one CPU only."""
SATURATED = 32


def arm64_broadcast() -> Iterator[Effect]:
    """Broadcasts wait for one another: all workers share what one interconnect delivers. Fitted at 32 workers."""
    broadcast, local = OPERATIONS[SATURATED]
    each = 1 / broadcast - 1 / local
    for workers, (by_broadcast, by_local) in OPERATIONS.items():
        if workers == SATURATED:
            continue
        yield Effect(
            f"arm64 broadcast, {workers} worker{'s' * (workers > 1)}",
            "stress-ng tlb-shootdown operations a second with TLBI ...IS",
            (by_broadcast,) * 2,
            (1 / (1 / by_local + each),) * 2,
            "a second",
            LOCAL,
            f"broadcasts one after another, {each * 1e6:.0f} us of them in an operation, fitted at {SATURATED} workers"
            + ("" if workers > SATURATED else "; so few do not keep the interconnect busy"),
        )
    price = MODELS["zen4"].coefficients["DSB_ISHST"]
    yield Effect(
        "arm64: one flush of mprotect()",
        "PROT_NONE to read and write, with the flush less without",
        (350, 350),
        (_low(price), _high(price)),
        "ns",
        ELIDE,
        "is the coefficient's own source",
    )


# ---- riscv ---------------------------------------------------------------------------------------------------

SHARE, SHARE_AFTER = 68.17, 8.64
"""Per cent of the benchmark's time in firmware calls on QEMU, before and after."""


def riscv_batched_unmap() -> Iterator[Effect]:
    """Reclaim of a swap cluster: one firmware call for the batch, not one per page."""
    one_by_one, batched = _reclaim(batched=False), _reclaim(batched=True)
    fewer = batched / one_by_one
    rest = 100 - SHARE
    after = SHARE * fewer
    share = 100 * after / (rest + after)
    why = f"{one_by_one} calls for {SWAP_CLUSTER_MAX} pages become {batched}"
    yield Effect(
        "riscv batched unmap: share of SBI calls",
        "time in __sbi_rfence_v02_call() after it, 68.17 % before, QEMU",
        (SHARE_AFTER,) * 2,
        (share,) * 2,
        "%",
        GHITI,
        why,
    )
    for machine, better in (("QEMU", 81.0), ("TH1520", 78.0), ("Unmatched", 34.0)):
        yield Effect(
            f"riscv batched unmap: {machine}",
            "time of the benchmark that is left",
            (100 - better,) * 2,
            (rest + after,) * 2,
            "%",
            GHITI,
            f"{why}; the share of calls is QEMU's" + ("" if machine == "QEMU" else ", none is published for this one"),
        )


def _reclaim(batched: bool) -> int:
    """Firmware calls of reclaiming a cluster of clean pages: how often the other CPU is asked."""
    arch = _arch(RISCV)
    capabilities = arch.facts.capabilities if batched else arch.facts.capabilities - {"batched_unmap"}
    arch = set_up(RISCV, load_object(RISCV), RISCV, {"capabilities": capabilities})
    pages = range(SWAP_CLUSTER_MAX)
    cells = Memory()
    for page in pages:
        cells[pte_cell(page)] = Pte(page, True, False)
        cells[Cell("ref", page)] = 2  # the mapping's, and the one of whoever isolated it
    mm = Mm(
        arch.facts,
        ERAS["6.12"],
        arch.hook,
        Task("reclaimer", Tid(1), Cpu(0)),
        mappings={page: (page,) for page in pages},
        cpus=frozenset({Cpu(0), Cpu(1)}),
        reclaims=True,
    )
    calls = 0

    def emit(event: tuple[Any, ...]) -> None:
        nonlocal calls
        calls += event[0] == "ipi"

    run(shrink_folio_list(mm, UnmapBatch(), pages), cells, _only, emit, [take_ipi(Tid(1), Cpu(1), ())])
    return calls


def _only(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
    raise ValueError(f"{op.name} has {len(outcomes)} outcomes")


# ---- words ---------------------------------------------------------------------------------------------------


def span(ends: Range) -> str:
    """A range in words, three digits of each end."""
    low, high = (f"{end:.3g}" if abs(end) < 1000 else f"{end:.0f}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _arch(plugin: str) -> Arch:
    return set_up(plugin, load_object(plugin), plugin)


def _counted(plugin: str, workload: Workload, cpus: int) -> dict[str, int]:
    return account(_arch(plugin), ERAS["6.12"], workload, cpus)


def _low(coefficient: Any) -> float:
    return float(coefficient.low)


def _high(coefficient: Any) -> float:
    return float(coefficient.high)


def _scaled(times: Range, by: float) -> Range:
    return times[0] * by, times[1] * by


def _percent(ratios: Sequence[float]) -> Range:
    return 100 * min(ratios), 100 * max(ratios)
