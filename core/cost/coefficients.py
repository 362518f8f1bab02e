"""The cost of one unit of each count: every number with its machine, unit and source.

A coefficient is a range, from the lowest to the highest value that its sources give.  Where nothing is published it has
no value: what it would price is counted and listed as not priced, until `prices` in arches.toml gives it a value.
`derived` in a source means that the number is computed from published ones, and how.

Data types
    Coefficient(name, low, high, unit, machine, source)     low and high are None where nothing is published
"""

from __future__ import annotations

from typing import NamedTuple


class Coefficient(NamedTuple):
    """A published or measured cost, from `low` to `high`; both None where nothing is published."""

    name: str
    low: float | None
    high: float | None
    unit: str
    machine: str
    source: str

    @property
    def value(self) -> str:
        """The range as text."""
        if self.low is None or self.high is None:
            return "not published"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


ZEN4 = "AMD Zen 4, KVM guest, Linux 6.18, 2 CPUs"
MILAN = "AMD Milan, 72 CPUs"
IVY = "Intel Ivy Bridge i5-3320M, 2.6 GHz"
POWER9 = "POWER9"
RIG = "the kernel's C code compiled in userspace, AMD EPYC"
HANSEN = "D. Hansen, commit a5102476a24b and LKML 2014-02-18"
VAN_RIEL = "R. van Riel, x86/mm: Enable broadcast TLB invalidation, 2025-03-19, will-it-scale tlb_flush2"
LATR = "Kumar et al., LATR, ASPLOS 2018"
LATR_SHOOTDOWN, LATR_CPUS = 6000.0, 16
"""Nanoseconds of a shootdown, and the number of cores that it reaches."""
ELIDE = "D. Jain, arm64/mm: Elide TLB flush in certain pte protection transitions, c320dbb7c80d"
NAM_CAO = "Nam Cao, LKML 2024-01-08, in reply to riscv: Add support for BATCHED_UNMAP_TLB_FLUSH"
PIGGIN = (
    "N. Piggin, powerpc/64s/radix: Introduce local single page ceiling, f6f27951fdf8, mprotect() of N pages by either"
)
LOCAL = "R. Roberts, arm64 RFC 2025-08-29, stress-ng tlb-shootdown"

IPIS = {
    "zen4": Coefficient(
        "ipi", 10850, 13970, "ns per IPI", ZEN4, "MADV_DONTNEED timed: with a second CPU against without, quartiles"
    ),
    "milan": Coefficient(
        "ipi",
        644,
        777,
        "ns per IPI",
        MILAN,
        f"derived from {VAN_RIEL}: loop time with IPIs less that with INVLPGB, per CPU asked, at 4, 16 and 72 threads; "
        "sending and taking together",
    ),
    "ivybridge": Coefficient(
        "ipi", 400, 777, "ns per IPI", "LATR's two sockets; Milan", f"derived: {LATR}: 6 us for 16 cores; {VAN_RIEL}"
    ),
}
"""By price model.  This coefficient differs most between machines: in a virtual machine it is ten times as large."""

ZAP = Coefficient(
    "zap_page",
    3.3,
    7.2,
    "ns per page",
    RIG,
    "gather and zap of 1 Mi pages, shims that only count: best to worst median",
)

LOCAL_ZEN4 = (
    Coefficient("base", 0, 821, "ns per flush", ZEN4, "MADV_DONTNEED timed: one page against none, its zap included"),
    Coefficient("invlpg", 39, 41, "ns per page", ZEN4, "MADV_DONTNEED timed: slope from 2 to 33 pages"),
    Coefficient("full", 100, 151, "ns per flush", ZEN4, "MADV_DONTNEED timed: 34 pages against 2"),
    Coefficient("refill", 100, 120, "ns per flush", ZEN4, "256 loads afterwards timed: 34 pages against 33"),
)

LOCAL_IVY = (
    Coefficient("base", 100, 362, "ns per flush", IVY, f"{HANSEN}: one page 1276 cycles, 335 of tracing"),
    Coefficient("invlpg", 38, 100, "ns per page", IVY, f"{HANSEN}: 100 cycles, or 100 ns by its comment"),
    Coefficient("full", 37, 749, "ns per flush", IVY, f"I. Molnar 2015-06-09: 96 cycles; {HANSEN}: 1948"),
    Coefficient("refill", 0, 8461, "ns per flush", IVY, f"{HANSEN}: up to 512 entries, 22000 cycles"),
)


def _nothing(name: str, source: str = "") -> Coefficient:
    return Coefficient(name, None, None, "ns each", "", source or "no figure is published")


INSTRUCTIONS = (
    Coefficient(
        "DSB_ISHST",
        350,
        350,
        "ns per flush",
        "Arm server, one CPU flushing at a time",
        f"one flush with its first TLBI and its DSB ISH: {ELIDE}: 3.2 us less 2.85; several CPUs at once wait for one "
        f"another: 8 to 16 us per operation of 4 flushes and pair of busy CPUs, derived from {LOCAL} "
        "(core.truth.published.arm64)",
    ),
    Coefficient("DSB_ISH", 0, 0, "ns per flush", "", "in the figure of DSB_ISHST, with which each flush starts"),
    *(
        _nothing(name, "no figure is published but that of DSB_ISHST, which has a flush's first one in it")
        for name in (
            "TLBI_VALE1IS",
            "TLBI_VAE1IS",
            "TLBI_RVALE1IS",
            "TLBI_RVAE1IS",
            "TLBI_ASIDE1IS",
        )
    ),
    Coefficient(
        "TLBSYNC",
        587,
        2900,
        "ns per flush",
        MILAN,
        f"one flush with its first INVLPGB, derived from {VAN_RIEL}: loop time at 4 threads less that at 1; 4 % of it "
        "at 72 threads",
    ),
    *(
        _nothing(name, "no figure is published but that of TLBSYNC, which has a flush's first one in it")
        for name in ("INVLPGB_ADDR", "INVLPGB_PCID")
    ),
    Coefficient(
        "SBI_ECALL",
        7345,
        7404,
        "ns per call",
        "StarFive VisionFive 2, four U74 cores",
        f"one remote SFENCE.VMA with all it leads to, derived from {NAM_CAO}: 18.66 s less for 10000 times 252 or 254 "
        "calls fewer (core.truth.published.riscv)",
    ),
    *(
        Coefficient(name, 0, 0, "ns each", "", "in the figure of SBI_ECALL, whose sender waits for them")
        for name in ("M_SFENCE_va_asid", "M_SFENCE_all_asid")
    ),
    *(_nothing(name) for name in ("SFENCE_va_asid", "SFENCE_all_asid")),
    *(_nothing(name) for name in ("IPTE", "IDTE")),
    Coefficient("tlbiel_va", 12.5, 13.3, "ns each", POWER9, f"derived from {PIGGIN}: 34, 64 and 256 pages agree"),
    Coefficient("tlbiel_pid", 1600, 1702, "ns per flush", POWER9, f"128 tlbiel, one for each set: {PIGGIN}"),
)
"""TLB instructions of architectures other than x86, by the names that their plugins report."""

X86_INSTRUCTIONS = frozenset({"INVLPG", "MOV_CR3"})
"""x86's instructions, which are priced by `base`, `invlpg` and `full` instead."""

BY_FIRMWARE = "SBI_ECALL"
"""The call by which firmware sends the IPIs: its price includes them."""
