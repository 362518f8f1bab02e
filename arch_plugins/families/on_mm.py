"""Where a switch loads the page tables of an mm: from there on the walker may cache translations of it, at any time.

It matters to whoever decides by mm_cpumask: a CPU that joins behind its walker may have cached what nobody flushes.
"""

from __future__ import annotations

from core.hookspecs import hookimpl
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm.kthread import on_mm_cell
from core.mm.mm import Mm


def on_mm(name: str, mm: Mm, on: bool) -> Op:
    """From here on the walker may, or may no longer, cache translations of the mm."""
    return Op(name, (), (on_mm_cell(mm.task.cpu),), lambda: [Outcome(None, (on,))], order=Order.PRIVATE)


class LoadsTtbr0:
    """arm64; to be put before the class that has the rest of the switch."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        """switch_mm(), check_and_switch_context(), and then cpu_switch_mm(). mm_cpumask stays empty."""
        if prev is not None and prev is not next:
            await on_mm("cpu_set_reserved_ttbr0", prev, False)
        await super().switch_mm(prev, next)  # type: ignore[misc]
        if next is not None and next.cpus is None:
            await on_mm("cpu_switch_mm: load TTBR0", next, True)
