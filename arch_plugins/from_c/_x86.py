"""The words of x86's C: what its operations mean, and which answers they may have.

A generation is a number that grows, so C is answered how far it is from the first one that it has met (`NOW`): that
is all that is done with generations, they are compared, and stored as they are.  An mm has the ASID that it had before:
which one is given to a new mm, and what happens when they run out, is not modelled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from arch_plugins.families.tlb_gen import (
    GEN,
    GenRequest,
    Info,
    ctx_gen_cell,
    inc_mm_tlb_gen,
    is_lazy_cell,
    loaded_mm_cell,
    write_cr3,
)
from arch_plugins.from_c import _smp as smp
from arch_plugins.from_c._common import ADDRESS, COMMON, Hook, smp_mb, write_batch
from core.machine.insn import EVERYTHING, Operand, insn
from core.machine.ipi import FlushRequest, flush_here, irqs_off_cell, send_ipis
from core.machine.op import Cpu
from core.machine.tlb import tlb_cell
from core.machine.variable import read_once, write_once
from core.mm.kthread import on_mm_cell
from core.mm.mm import CPUMASK, Mm
from core.tree.errors import TreeError
from core.tree.gather import PAGE_SHIFT
from core.tree.hybrid import cpus_in, cpus_of
from core.tree.stretch import Reach
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just, truth

# ---- the values of its words -------------------------------------------------------------------------------------

MM, OTHER_MM, INIT_MM, SWITCHING = 0x200000001000, 0x200000002000, 0x200000003000, 1
"""What loaded_mm may be: as in shim/driver.h and shim/x86.h, and LOADED_MM_SWITCHING."""

ASID_OF_INIT, ASID, ASID_OF_OTHER = 0, 1, 2
CTX_IDS = {ASID_OF_INIT: 1, ASID: 2, ASID_OF_OTHER: 3}
PGD, PGD_OF_OTHER, PGD_OF_INIT = 0x10000, 0x20000, 0x30000
CR3_NOFLUSH = 1 << 63
HAS_MM = 1
"""In the third operand of flush_tlb_info: bit 0 is whether it is of an mm; then the stride's shift, from bit 8 up, and
the generation, from bit 16 up.
"""

NOW = 100
"""The generation that C has counted up to, or has met first."""

COUNTED = 0
"""`gen` where no generation is kept, and C has counted up, or will not."""

FARTHEST = 4
"""From it that C sees another to be: one that is farther away is so far."""

TLB_FLUSH_ALL = (1 << 64) - 1

READ, WRITE = "read|READ_ONCE", "write|WRITE_ONCE"


@dataclass
class TlbHands(Hook):
    """`addr` is the page that C knows as ADDRESS, and a page has `scale` bytes there.

    `gen` is the generation that C knows as NOW, and `met` are all by what C calls them; None until C has met one.
    `loaded` is what this CPU has loaded, as it was read; `info` are the operands of the last flush_tlb_info.
    """

    scale: int = 1 << PAGE_SHIFT
    gen: int | None = None
    loaded: int = MM
    met: dict[int, int] = field(default_factory=dict)
    info: tuple[int, int, int] = (0, TLB_FLUSH_ALL, 0)

    @property
    def fixed(self) -> bool:
        """Is mm_cpumask what it is?"""
        return self.mm.cpus is not None

    # ---- a stretch with interrupts off (core.tree.stretch) -------------------------------------------------------

    @property
    def reach(self) -> Reach | None:
        """What belongs to this CPU; of no use where it keeps no words."""
        return None if self.fixed else reach_of(self.mm)

    def copy(self) -> TlbHands:
        """Another with the same state."""
        return replace(self, met=dict(self.met))

    def saved(self) -> Hashable:
        """All that a word has changed: generations, what was loaded, the request, a run of INVLPG, who is asked."""
        asked = self.queued, self.told
        return self.gen, self.loaded, self.info, self.span, self.run_from, asked, tuple(sorted(self.met.items()))

    def restore(self, saved: Any) -> None:
        """Take up what was saved."""
        self.gen, self.loaded, self.info, self.span, self.run_from, asked, met = saved
        self.queued, self.told = asked
        self.met = dict(met)

    def page(self, address: int) -> int:
        """The page at an address of C."""
        return self.addr + (address - ADDRESS) // self.scale

    def known_as(self, gen: int) -> int:
        """What C calls a generation; AssertionError if two that it should tell apart are too far away."""
        self.gen = gen if self.gen is None else self.gen
        known = NOW + min(max(gen - self.gen, -FARTHEST), FARTHEST)
        if self.met.setdefault(known, gen) != gen:
            raise AssertionError(f"tlb_gen {gen} and {self.met[known]} are both more than {FARTHEST} from {self.gen}")
        return known

    def generation(self, known: int) -> int:
        """What C calls `known`; one that it has not met it has computed from one that it has."""
        return self.met[known] if known in self.met else (self.gen or 0) + known - NOW


def reach_of(mm: Mm, handler: bool = False) -> Reach:
    """The words of the CPU of `mm.task`: no other CPU has a word for its generation; loaded_mm and is_lazy are read.

    Where mm_cpumask is fixed a CPU keeps no words.
    """
    if mm.cpus is not None:
        return Reach(mm.task.cpu, (), (), (), tuple(tlb_cell(mm.task.cpu, addr) for addr in mm.addrs))
    of_task = claimed(mm.task.cpu, mm.addrs)
    return replace(of_task, stored=(*of_task.shown, CPUMASK)) if handler else of_task


def claimed(cpu: Cpu, addrs: Iterable[int]) -> Reach:
    """The words of `cpu` where mm_cpumask is a cell, for translations of the pages `addrs`."""
    shown = (loaded_mm_cell(cpu), is_lazy_cell(cpu), on_mm_cell(cpu))
    return Reach(cpu, (ctx_gen_cell(cpu),), shown, (GEN, CPUMASK), tuple(tlb_cell(cpu, addr) for addr in addrs))


LOOKS = {
    "mm.context.tlb_gen": frozenset({"atomic64_read", "atomic64_add", "atomic64_set"}),
    "mm_cpumask": frozenset({"read", "READ_ONCE"}),
}
"""The words by which C looks at what other CPUs change, by their places."""

DROPS = frozenset({"mov cr3", "mov cr3, cr3", "invpcid_all", "invlpg"})
"""Those by which it drops translations."""


def stored(word: Word) -> str:
    """What `word` stores to of what other CPUs read; "" if nothing.

    LOADED_MM_SWITCHING is not counted: it is on the way to another mm, and who meets it sends an interrupt, or does not
    look at what is loaded (should_flush_tlb() of 6.12; 6.1 has none).
    """
    if word.kind in ("set_bit", "clear_bit") and word.place == "mm_cpumask":
        return word.place
    if word.kind not in WRITE.split("|") or not word.place.endswith(("loaded_mm[cpu0]", "is_lazy[cpu0]")):
        return ""
    return "" if word.place.endswith("loaded_mm[cpu0]") and word.a == SWITCHING else word.place


def _cpu_of(of: TlbHands, word: Word) -> Cpu:
    """The CPU of a per-CPU word."""
    return min(cpus_of(of.mm)[int(word.place.rpartition("[cpu")[2].rstrip("]"))])


def _own(word: Word) -> bool:
    return word.place.endswith("[cpu0]")


def _loaded(word: Word, cpus: int) -> Iterable[int]:
    """With interrupts off a CPU does not meet itself while it switches."""
    return (MM, OTHER_MM) if _own(word) else (MM, OTHER_MM, SWITCHING)


GENERATIONS = just(*range(NOW - FARTHEST, NOW + FARTHEST + 1))

# ---- what they mean: switching -----------------------------------------------------------------------------------

LOADED = {"this": MM, "other": OTHER_MM, "switching": SWITCHING}
STORED = {MM: "this", OTHER_MM: "other", INIT_MM: "other", SWITCHING: "switching"}


async def _read_loaded(of: TlbHands, word: Word) -> int:
    found = MM if of.fixed else LOADED[await read_once(loaded_mm_cell(_cpu_of(of, word)))]
    if _own(word):
        of.loaded = found
    return found


async def _write_loaded(of: TlbHands, word: Word) -> int:
    await write_once(loaded_mm_cell(_cpu_of(of, word)), STORED[word.a])
    return 0


async def _read_asid(of: TlbHands, word: Word) -> int:
    return ASID if of.loaded == MM else ASID_OF_OTHER


async def _read_lazy(of: TlbHands, word: Word) -> int:
    return 0 if of.fixed else int(await read_once(is_lazy_cell(_cpu_of(of, word))))


async def _write_lazy(of: TlbHands, word: Word) -> int:
    await write_once(is_lazy_cell(_cpu_of(of, word)), bool(word.a))
    return 0


async def _read_ctx_gen(of: TlbHands, word: Word) -> int:
    if of.fixed:
        return NOW - 1
    return of.known_as(await read_once(ctx_gen_cell(of.mm.task.cpu)))


async def _write_ctx_gen(of: TlbHands, word: Word) -> int:
    if not of.fixed:
        await write_once(ctx_gen_cell(of.mm.task.cpu), of.generation(word.a))
    return 0


async def _read_gen(of: TlbHands, word: Word) -> int:
    """Who looks first may count up behind that: what it has then counted up to is NOW."""
    if of.fixed:
        return NOW - (of.gen is None)
    found: int = await read_once(GEN)
    of.gen = found + 1 if of.gen is None else of.gen
    return of.known_as(found)


async def _inc_gen(of: TlbHands, word: Word) -> int:
    """The answer is what it was before. TreeError if that is not what C has found in it first."""
    counted: int = COUNTED if of.fixed else await inc_mm_tlb_gen()
    if of.gen not in (None, counted):
        raise TreeError("tlb_gen has changed between a look at it and atomic64_inc_return(): the model has no meaning")
    of.gen = of.met[NOW] = counted
    return NOW - 1


async def _set_gen(of: TlbHands, word: Word) -> int:
    """A store, which loses what another CPU has added since it was read."""
    if not of.fixed:
        await write_once(GEN, of.generation(word.a))
    return 0


async def _load_cr3(of: TlbHands, word: Word) -> int:
    """The hardware goes to another pgd, and drops what it has cached of it unless it is told not to."""
    to_this = word.a & ~0xFFF & ~CR3_NOFLUSH == PGD
    await write_cr3(of.mm.task.cpu, to_this, of.mm.addrs if to_this and not word.a & CR3_NOFLUSH else ())
    return 0


async def _irqs(of: TlbHands, word: Word) -> int:
    if not of.fixed:
        await write_once(irqs_off_cell(of.mm.task.cpu), word.kind == "irq_off")
    return 0


# ---- what they mean: flushing ------------------------------------------------------------------------------------


async def _invlpg(of: TlbHands, word: Word) -> int:
    """What translates an address; a run of them is one flush, at its last."""
    here, first = of.mm.task.cpu, of.page(word.a)
    await insn(here, "INVLPG", 1, Operand(first, 1, of.span))
    start = first if of.run_from is None else of.run_from
    then = of.following
    more = then is not None and then.kind == word.kind and of.page(then.a) == first + of.span
    of.run_from = start if more else None
    if not more:
        request = FlushRequest(start, first + of.span)
        await flush_here(here, of.mm.addrs, request, f"INVLPG of {request}")
    return 0


async def _flush_all(of: TlbHands, word: Word) -> int:
    await insn(of.mm.task.cpu, "MOV_CR3" if word.kind.startswith("mov") else "INVPCID_ALL", 1, EVERYTHING)
    await flush_here(of.mm.task.cpu, of.mm.addrs, FlushRequest(), word.kind)
    return 0


async def _info(of: TlbHands, word: Word) -> int:
    of.info = (word.a, word.b, word.c)
    of.span = min(of.span, _stride(of))
    return 0


def _stride(of: TlbHands) -> int:
    """That of flush_tlb_info, in pages."""
    return max((1 << (of.info[2] >> 8 & 0xFF)) // of.scale, 1)


def _request(of: TlbHands) -> FlushRequest:
    """What is asked for. A stride above what an entry maps leaves out pages; TreeError if it leaves several."""
    start, end, _ = of.info
    if end == TLB_FLUSH_ALL:
        return FlushRequest()
    first, last = of.page(start), of.page(end + of.scale - 1)
    if _stride(of) <= of.span:
        return FlushRequest(first, last)
    if last - first > _stride(of):
        raise TreeError(f"a flush with a stride of {_stride(of)} pages, where an entry maps {of.span}: no meaning")
    return FlushRequest(first, min(first + of.span, last))


async def _send(of: TlbHands, mask: int) -> None:
    cpus, request = sorted(cpus_in(of.mm, mask)), _request(of)
    if of.fixed:
        nr = 0 if request.end is None else -(-(request.end - request.start) // of.span)
        for cpu in cpus:
            name, operand = ("INVLPG", Operand(request.start, nr, of.span)) if nr else ("MOV_CR3", EVERYTHING)
            await insn(cpu, name, nr or 1, operand)
    info: Info = request
    if of.info[2] & HAS_MM and not of.fixed:
        info = GenRequest(request, of.generation(of.info[2] >> 16), of.span)
    await send_ipis(of.mm.task, cpus, info)


def _constant(kinds: str, place: str, why: str, *values: int) -> Rule:
    return hidden(kinds, place, why, just(*values))


def _ctxs() -> Iterable[Rule]:
    for asid, ctx_id in CTX_IDS.items():
        yield _constant(READ, f"ctxs[[]{asid}].ctx_id[[]cpu0]", "an mm keeps its ASID", ctx_id)


VOCABULARY = Vocabulary(
    (
        Rule(READ, "tlbstate.loaded_mm[[]cpu*", _read_loaded, _loaded),
        Rule(WRITE, "tlbstate.loaded_mm[[]cpu0]", _write_loaded),
        Rule(READ, "tlbstate.loaded_mm_asid[[]cpu0]", _read_asid, just(ASID, ASID_OF_OTHER)),
        Rule(READ, "is_lazy[[]cpu*", _read_lazy, truth),
        Rule(WRITE, "is_lazy[[]cpu0]", _write_lazy),
        Rule(READ, f"ctxs[[]{ASID}].tlb_gen[[]cpu0]", _read_ctx_gen, GENERATIONS),
        Rule(WRITE, f"ctxs[[]{ASID}].tlb_gen[[]cpu0]", _write_ctx_gen),
        Rule("atomic64_read", "mm.context.tlb_gen", _read_gen, GENERATIONS),
        Rule("atomic64_add", "mm.context.tlb_gen", _inc_gen, just(NOW - 1)),
        Rule("atomic64_set", "mm.context.tlb_gen", _set_gen),
        Rule("mov cr3", "", _load_cr3),
        Rule("mov cr3, cr3|invpcid_all", "", _flush_all),
        Rule("invlpg", "", _invlpg),
        Rule("irq_off|irq_on", "", _irqs),
        Rule("barrier smp_mb", "", smp_mb),
        Rule("flush_tlb_info", "", _info),
        *smp.rules(_send),
        Rule("batch", "", write_batch),
        *_ctxs(),
        _constant(READ, "ctxs[[]?].tlb_gen[[]cpu0]", "another mm is up to date", NOW),
        _constant("atomic64_read", "*_mm.context.tlb_gen", "another mm is up to date", NOW),
        _constant(READ, "mm.context.ctx_id", "the mm", CTX_IDS[ASID]),
        _constant(READ, "other_mm.context.ctx_id", "another mm", CTX_IDS[ASID_OF_OTHER]),
        _constant(READ, "init_mm.context.ctx_id", "the kernel's mm", CTX_IDS[ASID_OF_INIT]),
        _constant(READ, "mm.pgd", "the mm", PGD),
        _constant(READ, "other_mm.pgd", "another mm", PGD_OF_OTHER),
        _constant(READ, "init_mm.pgd", "the kernel's mm", PGD_OF_INIT),
        _constant(READ, "tlbstate.invalidate_other[[]cpu0]", "for PTI", 0),
        _constant("jiffies", "", "no second has passed: a CPU leaves the mask as it leaves the mm", 0),
        _constant(READ, "mm.context.next_trim_cpumask", "no second has passed", 0),
        hidden(WRITE, "ctxs*", "an mm keeps its ASID; another is up to date"),
        hidden(WRITE, "tlbstate.loaded_mm_asid[[]cpu0]", "it goes by the mm"),
        hidden("set_bit|clear_bit", "other_mm_cpumask", "another mm"),
        _constant(READ, "other_mm_cpumask", "a CPU on another mm is in its mask", 1),
        hidden("barrier smp_rmb", "", "reads are in order"),
        *COMMON,
    )
)
