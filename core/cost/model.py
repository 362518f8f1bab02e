"""What counts cost: coefficients, each with its machine, range, unit and source, and the price they make.

A price is a range, from the lowest to the highest value that a source gives, never one number:

    local     a flush page by page: base + pages x invlpg; above the ceiling of 33: base + full + refill afterwards
    remote    IPIs x ipi
    zap       pages x zap_page, the kernel's own gather and zap code

A count that no coefficient covers (s390's and other architectures' flushing instructions) is named as not priced.

Data types
    Coefficient(name, low, high, unit, machine, source)
    Model(name, coefficients)
    Price(low, high, parts, unpriced)      nanoseconds
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A published or measured cost, from `low` to `high`."""

    name: str
    low: float
    high: float
    unit: str
    machine: str
    source: str


@dataclass(frozen=True, slots=True)
class Price:
    """Nanoseconds from `low` to `high`; `parts` by kind; `unpriced` are counts above zero that nothing covers."""

    low: float
    high: float
    parts: Mapping[str, tuple[float, float]]
    unpriced: tuple[str, ...] = ()

    def __str__(self) -> str:
        rest = f" without {', '.join(self.unpriced)}" if self.unpriced else ""
        return f"{self.low / 1000:.1f} to {self.high / 1000:.1f} us{rest}"


@dataclass(frozen=True)
class Model:
    """A named set of coefficients."""

    name: str
    coefficients: Mapping[str, Coefficient]

    def price(self, counts: Mapping[str, int]) -> Price:
        """What `counts` (core.cost.account) cost."""
        full = counts["flushes"] - counts["small_flushes"]
        parts = {
            "local": self._sum(
                ("base", counts["flushes"]), ("invlpg", counts["small_pages"]), ("full", full), ("refill", full)
            ),
            "remote": self._sum(("ipi", counts["ipis"])),
            "zap": self._sum(("zap_page", counts["pages_freed"])),
        }
        unpriced = tuple(name for name in ("pte_flushes",) if counts[name])
        return Price(sum(p[0] for p in parts.values()), sum(p[1] for p in parts.values()), parts, unpriced)

    def _sum(self, *terms: tuple[str, int]) -> tuple[float, float]:
        chosen = [(self.coefficients[name], times) for name, times in terms]
        return sum(c.low * times for c, times in chosen), sum(c.high * times for c, times in chosen)

    def override(self, values: Mapping[str, Any], source: str) -> Model:
        """The model with some values replaced: a number, or [low, high]. ValueError for what is neither."""
        changed = dict(self.coefficients)
        for name, value in values.items():
            if name not in changed:
                raise ValueError(f"{source}: {name} is no coefficient; expected one of {', '.join(changed)}")
            ends = value if isinstance(value, list) and len(value) == 2 else [value, value]
            if not all(isinstance(x, int | float) and not isinstance(x, bool) and x >= 0 for x in ends):
                raise ValueError(f"{source}: {name} should be a number or [low, high], not negative; is {value!r}")
            changed[name] = replace(
                changed[name], low=float(min(ends)), high=float(max(ends)), machine="as configured", source=source
            )
        return Model(f"{self.name}, changed", changed)


def _model(name: str, coefficients: Iterable[Coefficient]) -> Model:
    return Model(name, {c.name: c for c in coefficients})


ZEN4 = "AMD Zen 4, KVM guest, Linux 6.18, 2 CPUs"
IVY = "Intel Ivy Bridge i5-3320M, 2.6 GHz"
RIG = "the kernel's C code compiled in userspace, AMD EPYC"
HANSEN = "D. Hansen, commit a5102476a24b and LKML 2014-02-18"

ZAP = Coefficient(
    "zap_page",
    3.3,
    7.2,
    "ns per page",
    RIG,
    "gather and zap of 1 Mi pages, shims that only count: best to worst median",
)

MODELS = {
    model.name: model
    for model in (
        _model(
            "zen4",
            (
                Coefficient(
                    "base", 0, 821, "ns per flush", ZEN4, "MADV_DONTNEED timed: one page against none, its zap included"
                ),
                Coefficient("invlpg", 39, 41, "ns per page", ZEN4, "MADV_DONTNEED timed: slope from 2 to 33 pages"),
                Coefficient("full", 100, 151, "ns per flush", ZEN4, "MADV_DONTNEED timed: 34 pages against 2"),
                Coefficient(
                    "refill", 100, 120, "ns per flush", ZEN4, "256 loads afterwards timed: 34 pages against 33"
                ),
                Coefficient(
                    "ipi",
                    10850,
                    13970,
                    "ns per IPI",
                    ZEN4,
                    "MADV_DONTNEED timed: with a second CPU against without, quartiles",
                ),
                ZAP,
            ),
        ),
        _model(
            "ivybridge",
            (
                Coefficient("base", 100, 362, "ns per flush", IVY, f"{HANSEN}: one page 1276 cycles, 335 of tracing"),
                Coefficient("invlpg", 38, 100, "ns per page", IVY, f"{HANSEN}: 100 cycles, or 100 ns by its comment"),
                Coefficient("full", 37, 749, "ns per flush", IVY, f"I. Molnar 2015-06-09: 96 cycles; {HANSEN}: 1948"),
                Coefficient("refill", 0, 8461, "ns per flush", IVY, f"{HANSEN}: up to 512 entries, 22000 cycles"),
                Coefficient("ipi", 10850, 13970, "ns per IPI", ZEN4, "not published for this machine: Zen 4's"),
                ZAP,
            ),
        ),
    )
}
"""By name; the first is used unless another is asked for."""

DEFAULT = next(iter(MODELS))


def coefficients_table(model: Model) -> list[tuple[str, str, str, str, str]]:
    """Rows of (name, range, unit, machine, source)."""
    return [
        (c.name, f"{c.low:g} to {c.high:g}" if c.low != c.high else f"{c.low:g}", c.unit, c.machine, c.source)
        for c in model.coefficients.values()
    ]
