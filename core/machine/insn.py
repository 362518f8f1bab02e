"""The TLB-maintenance instructions that a flush consists of, reported to whoever counts or checks them.

Data types
    Operand                          which pages an instruction, or several of one name, was given
    event ('insn', cpu, name, nr)    `nr` instructions `name` executed on `cpu`, with no effect on the model;
                                     what follows are their operands

The names are those of the architecture's manual, with the variant that matters (TLBI_VALE1IS, SFENCE_va_asid).  The
operations on TLBs say what a policy believes that it flushes; the instructions say what it executes.  Large runs
(core.conformance.large) check that the instructions cover what was believed.
"""

from __future__ import annotations

from typing import NamedTuple

from core.machine.op import Cpu, Op, Outcome
from core.machine.order import Order


class Operand(NamedTuple):
    """The addresses start, start + stride, ... , `nr` of them (virtual pages); None is all of the address space.

    An address invalidates what translates it: its page, or the huge page that it lies in, and, unless `leaf`, the upper
    entries on the way to it.  `size` is more than 1 where one address stands for so many pages, aligned (a pair, a
    region).  `everywhere`: on every CPU, otherwise on the one that executes it.
    """

    start: int = 0
    nr: int | None = None
    stride: int = 1
    size: int = 1
    leaf: bool = False
    everywhere: bool = False

    def hits(self, first: int, pages: int = 1) -> bool:
        """Whether one of the addresses lies in the `pages` pages from `first` on."""
        if self.nr is None:
            return True
        base = self.start - self.start % self.size
        at = max(0, -(-(first - self.size + 1 - base) // self.stride))
        return at < self.nr and base + at * self.stride < first + pages


EVERYTHING = Operand()
"""Of the address space, on the CPU that executes it."""

EVERYWHERE = Operand(everywhere=True)
"""The same on every CPU."""


def insn(cpu: Cpu, name: str, nr: int = 1, *of: Operand) -> Op:
    """Report that `cpu` executes `nr` instructions `name` with the operands `of`. Touches no cell.

    Without operands it invalidates nothing (a barrier), or it is not known what: it is counted, and not checked.
    """
    return Op(
        f"{nr} x {name} on CPU{cpu}",
        (),
        (),
        lambda: [Outcome(None)],
        event=("insn", cpu, name, nr, *of),
        order=Order.PRIVATE,
    )
