"""Prices: what counts cost, by a set of coefficients.

A price is a range, from the lowest to the highest value that a source gives, and never one number:

    local           a flush page by page: base + pages x invlpg; above the ceiling: base + full, and refill afterwards
    instructions    instead of that, for an architecture that reports its TLB instructions
    remote          IPIs x ipi
    sync            IPIs of tlb_remove_table_sync_one() x ipi, if there are any: sent, taken and waited for like
                    those of a flush (what its handler does is in the figure too: it is at most what they cost), behind
                    the page-table lock
    zap             pages x zap_page: the kernel's own gather and zap code

An instruction without a coefficient is listed as not priced.

Data types
    PriceModel(name, coefficients)
    Price(low, high, parts, unpriced)      nanoseconds
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from core.base.suggest import hint
from core.cost.coefficients import (
    BY_FIRMWARE,
    INSTRUCTIONS,
    IPIS,
    LOCAL_IVY,
    LOCAL_ZEN4,
    X86_INSTRUCTIONS,
    ZAP,
    Coefficient,
)
from core.cost.counts import INSN, instructions_in

LARGEST = 1e18
"""The largest price of one thing, in nanoseconds: thirty years."""


class Price(NamedTuple):
    """Nanoseconds from `low` to `high`; `parts` by kind; `unpriced` are the instructions without a coefficient."""

    low: float
    high: float
    parts: Mapping[str, tuple[float, float]]
    unpriced: tuple[str, ...] = ()

    def __str__(self) -> str:
        rest = f" without {', '.join(self.unpriced)}" if self.unpriced else ""
        return f"{self.low / 1000:.1f} to {self.high / 1000:.1f} us{rest}"


class PriceModel(NamedTuple):
    """A named set of coefficients."""

    name: str
    coefficients: Mapping[str, Coefficient]

    def price(self, counts: Mapping[str, int]) -> Price:
        """The price of `counts` (core.cost.workload_counts)."""
        executed = instructions_in(counts)
        for name in X86_INSTRUCTIONS:
            executed.pop(name, None)
        parts = {"instructions": self._of_instructions(executed)} if executed else {"local": self._of_flushes(counts)}
        by_firmware = BY_FIRMWARE in executed
        parts["remote"] = self._sum(("ipi", 0 if by_firmware else counts["ipis"]))
        if sync := counts.get("sync_ipis", 0):
            parts["sync"] = self._sum(("ipi", sync))
        parts["zap"] = self._sum(("zap_page", counts["pages_freed"]))
        unpriced = tuple(sorted(name for name, nr in executed.items() if nr and not self.covers(name)))
        return Price(sum(p[0] for p in parts.values()), sum(p[1] for p in parts.values()), parts, unpriced)

    def covers(self, name: str) -> bool:
        """Is there a coefficient of that name with a value?"""
        return name in self.coefficients and self.coefficients[name].low is not None

    def lock_hold(self, counts: Mapping[str, int], price: Price | None = None) -> tuple[float, float]:
        """(low, high) in nanoseconds of the longest hold of a page-table lock.

        It is the price of the most entries cleared under one hold, and of its flushes at their average price.  `price`
        is the price of `counts`, if the caller has it.
        """
        parts = (price or self.price(counts)).parts
        flush = [p for name, p in parts.items() if name not in ("zap", "sync")]
        share = counts["max_flushes_per_hold"] / max(counts["flushes"], 1)
        zap = self._sum(("zap_page", counts["max_ptes_per_hold"]))
        return zap[0] + share * sum(p[0] for p in flush), zap[1] + share * sum(p[1] for p in flush)

    def _of_flushes(self, counts: Mapping[str, int]) -> tuple[float, float]:
        full = counts["flushes"] - counts["small_flushes"]
        return self._sum(
            ("base", counts["flushes"]), ("invlpg", counts["small_pages"]), ("full", full), ("refill", full)
        )

    def _of_instructions(self, executed: Mapping[str, int]) -> tuple[float, float]:
        return self._sum(*((name, nr) for name, nr in executed.items() if self.covers(name)))

    def _sum(self, *terms: tuple[str, int]) -> tuple[float, float]:
        chosen = [(self.coefficients[name], times) for name, times in terms]
        return sum((c.low or 0.0) * times for c, times in chosen), sum((c.high or 0.0) * times for c, times in chosen)

    def override(self, values: Mapping[str, Any], source: str) -> PriceModel:
        """The model with some values replaced, each by a number or by [low, high]. ValueError otherwise.

        `source` begins the error message.  'insn:NAME' gives a price to an instruction that has no coefficient here.
        """
        if not values:
            return self
        changed = dict(self.coefficients)
        for key, value in values.items():
            name = key.removeprefix(INSN)
            if key != name:
                changed.setdefault(name, Coefficient(name, None, None, "ns each", "", ""))
            if name not in changed:
                raise ValueError(f"{source}.{name}: no such coefficient; {hint(name, changed)}")
            ends = value if isinstance(value, list) and len(value) == 2 else [value, value]
            if not all(isinstance(x, int | float) and not isinstance(x, bool) and 0 <= x <= LARGEST for x in ends):
                what = "expected a number or [low, high], not negative"
                raise ValueError(f"{source}.{name}: {what}; is {value!r:.60}")
            if ends[0] > ends[1]:
                raise ValueError(f"{source}.{name}: expected a low end of at most the high one; is {value!r}")
            changed[name] = changed[name]._replace(
                low=float(ends[0]), high=float(ends[1]), machine="as configured", source=source
            )
        return PriceModel(f"{self.name}, changed", changed)


def _model(name: str, coefficients: Iterable[Coefficient]) -> PriceModel:
    return PriceModel(name, {c.name: c for c in coefficients})


MODELS = {
    name: _model(name, (*local, IPIS[name], ZAP, *INSTRUCTIONS))
    for name, local in (("zen4", LOCAL_ZEN4), ("milan", LOCAL_ZEN4), ("ivybridge", LOCAL_IVY))
}
"""By name; the first is the default. Coefficients that a machine lacks are taken from another, which they name."""

DEFAULT = next(iter(MODELS))


def coefficients_table(model: PriceModel) -> list[tuple[str, str, str, str, str]]:
    """The coefficients as (name, range, unit, machine, source)."""
    return [(c.name, c.value, c.unit, c.machine, c.source) for c in model.coefficients.values()]
