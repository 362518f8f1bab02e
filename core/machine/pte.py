"""Page-table entries: their values, and the operations that read and write one entry or a run of equal ones.

Data types
    Pte(frame, write, dirty)   a present entry that maps page `frame`; `uffd_wp`: write-protected by userfaultfd;
                               `nx`: no instruction may be fetched through it; `cont`: one of a block of entries that
                               the hardware may cache as one (arm64's contiguous bit)
    Swap(offset)               a non-present swap entry
    ProtNone(frame, ...)       present for the kernel, but no access is allowed: PROT_NONE, or a NUMA hint
    Migration(frame, write)    non-present: the page is being migrated, and a fault waits
    None                       an empty entry

Tuples compare equal whatever their type, so no two kinds of values of one cell are tuples of the same length.

A run of `nr` entries has equal flags and consecutive frames (or offsets).  Only the accountant uses nr > 1; for all
other readers a run has length 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeGuard

from core.machine.memory import declare
from core.machine.op import Cell, Op, Outcome
from core.machine.order import Order


class Pte(NamedTuple):
    """A present entry. `frame` is pte_pfn(), `write` pte_write(), `dirty` pte_dirty(), `uffd_wp` pte_uffd_wp()."""

    frame: int
    write: bool = True
    dirty: bool = False
    uffd_wp: bool = False
    nx: bool = False
    cont: bool = False

    def __str__(self) -> str:
        marks = (("dirty", self.dirty), ("uffd-wp", self.uffd_wp), ("nx", self.nx), ("cont", self.cont))
        flags = "".join(f",{name}" for name, on in marks if on)
        return f"page{self.frame}:{'rw' if self.write else 'ro'}{flags}"


class Swap(NamedTuple):
    """A swap entry: the page's contents are in swap at `offset` (swp_offset()), charged to the cgroup `memcg`."""

    offset: int
    memcg: str = ""

    def __str__(self) -> str:
        return f"swap{self.offset}"


@dataclass(frozen=True, slots=True)
class ProtNone:
    """pte_protnone(): the walker faults on it; `write` and `dirty` are restored when access is allowed again."""

    frame: int
    write: bool
    dirty: bool

    def _replace(self, **changed: Any) -> ProtNone:
        """As NamedTuple has it: what is done to a present entry is done to this one too."""
        return replace(self, **changed)

    def __str__(self) -> str:
        return f"page{self.frame}:none{',dirty' if self.dirty else ''}"


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration entry; `write` is is_writable_migration_entry(), `dirty` is_migration_entry_dirty()."""

    frame: int
    write: bool
    dirty: bool

    def __str__(self) -> str:
        return f"migration of page{self.frame}"


Present = Pte | ProtNone
"""What pte_present() is true of."""

Entry = Pte | Swap | ProtNone | Migration | None

PTE = declare("pte", None, "entry", panel="tables")


def pte_present(pte: object) -> TypeGuard[Present]:
    """Does the entry map a page, for an access or for none? Only the walker tells PROT_NONE from an empty entry."""
    return isinstance(pte, Pte | ProtNone)


def pte_cell(addr: int, nr: int = 1) -> Cell:
    """The page-table entry of virtual page `addr`, or `nr` entries from there."""
    return Cell(PTE, addr, nr)


def ptep_get(addr: int, lockless: bool = False) -> Op:
    """Read one entry; include/linux/pgtable.h:ptep_get(), ptep_get_lockless()."""
    return Op(
        f"ptep_get{'_lockless' if lockless else ''}({addr})",
        (pte_cell(addr),),
        (),
        lambda pte: [Outcome(pte)],
        order=Order.PLAIN,
    )


def xchg_pte(addr: int, nr: int, event: tuple[object, ...] | None = None, order: Order = Order.FULL) -> Op:
    """Read and clear in one atomic step, so that no dirty bit set by hardware is lost (x86, arm64, riscv).

    `order` is what the architecture's exchange promises (core.mm.mm:xchg_order).
    """
    cell = pte_cell(addr, nr)
    return Op(
        f"ptep_get_and_clear({addr})", (cell,), (cell,), lambda pte: [Outcome(pte, (None,))], event=event, order=order
    )


def set_pte(addr: int, pte: Entry, nr: int = 1, event: tuple[object, ...] | None = None) -> Op:
    """A plain store to one entry; the caller holds the page-table lock. Returns None."""
    cell = pte_cell(addr, nr)
    name = f"pte_clear({addr})" if pte is None else f"set_pte({addr}, {pte})"
    return Op(name, (), (cell,), lambda: [Outcome(None, (pte,))], event=event, order=Order.PLAIN)


def wrprotect_pte(addr: int) -> Op:
    """Clear the write bit of a present entry in one atomic step, so that no dirty bit set by hardware is lost."""
    cell = pte_cell(addr)

    def step(pte: Present) -> list[Outcome]:
        return [Outcome(None, (pte._replace(write=False),))]

    return Op(f"ptep_set_wrprotect({addr})", (cell,), (cell,), step, order=Order.ATOMIC)


def clean_pte(addr: int) -> Op:
    """Clear the dirty bit of a present entry in one atomic step, and nothing else."""
    cell = pte_cell(addr)
    return Op(
        f"pte_mkclean({addr})",
        (cell,),
        (cell,),
        lambda pte: [Outcome(None, (pte._replace(dirty=False),))],
        order=Order.ATOMIC,
    )


def allow_pte(addr: int, entry: Pte) -> Op:
    """Add the permission and the dirty bit of `entry` to a present one in one atomic step."""
    cell = pte_cell(addr)

    def step(pte: Pte) -> list[Outcome]:
        return [Outcome(None, (pte._replace(write=pte.write or entry.write, dirty=pte.dirty or entry.dirty),))]

    return Op(f"ptep_set_access_flags({addr})", (cell,), (cell,), step, order=Order.ATOMIC)


async def local_ptep_get_and_clear(addr: int, nr: int) -> Entry:
    """Read, then clear with a plain store, which loses a dirty bit that hardware sets in between (none on UP).

    include/linux/pgtable.h:ptep_get_and_clear(), arch/x86/include/asm/pgtable.h:native_local_ptep_get_and_clear().
    """
    pte: Entry = await ptep_get(addr)
    await set_pte(addr, None, nr, event=("clear", addr, nr))
    return pte
