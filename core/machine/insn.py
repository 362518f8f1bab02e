"""The TLB-maintenance instructions that a flush consists of, reported to whoever counts them.

Data types
    event ('insn', cpu, name, nr)    `nr` instructions `name` executed on `cpu`; a count, with no effect on the model

The names are those of the architecture's manual, with the variant that matters (TLBI_VALE1IS, SFENCE_va_asid).
"""

from __future__ import annotations

from core.machine.op import Cpu, Op, Outcome


def insn(cpu: Cpu, name: str, nr: int = 1) -> Op:
    """Report that `cpu` executes `nr` instructions `name`. Touches no cell."""
    return Op(f"{nr} x {name} on CPU{cpu}", (), (), lambda: [Outcome(None)], event=("insn", cpu, name, nr))
