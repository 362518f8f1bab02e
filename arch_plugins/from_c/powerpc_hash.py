"""powerpc hash from its C: mm/book3s64/hash_tlb.c and the lazy-MMU section of tlbflush-hash.h.

How an entry goes out of the hash table (hash_utils.c) stays in Python, as do huge pages and what a context switch does.
"""

from __future__ import annotations

from typing import Any

from arch_plugins.from_c._common import ADDRESS, COMMON, read_cpumask
from arch_plugins.from_c._queue import READ, WRITE, QueueFromC, QueueHands, first_queued, queue_rules
from arch_plugins.powerpc_hash import PowerpcHash, flush_hash
from core.hookspecs import Facts, hookimpl
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm
from core.tree.binding import Binding
from core.tree.manifest import Manifest, Source, Version
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, just


def manifest(version: Version) -> Manifest:
    """The same names in 6.1 and 6.12."""
    arch = "arch/powerpc/"
    section = (
        "struct ppc64_tlb_batch",
        ";DECLARE_PER_CPU",
        ";__flush_tlb_pending",
        "arch_enter_lazy_mmu_mode",
        "arch_leave_lazy_mmu_mode",
    )
    return Manifest(
        (
            Source(f"{arch}include/asm/tlb.h", keep=("mm_is_thread_local@0",)),
            Source(f"{arch}include/asm/book3s/64/tlbflush-hash.h", keep=("#PPC64_TLB_BATCH_NR", *section)),
            Source(f"{arch}mm/book3s64/hash_tlb.c", keep=("hpte_need_flush", "__flush_tlb_pending", "hash__tlb_flush")),
        ),
        "powerpc_hash.h",
        "powerpc_hash.c",
    )


QUEUED = 0x4000000
"""The address that C finds in the queue."""


async def _active_cpus(of: QueueHands, word: Word) -> int:
    return min((await read_cpumask(of, word)).bit_count(), 2)


async def _flush(of: QueueHands, addrs: tuple[int, ...], local: bool) -> None:
    await flush_hash(of.mm, addrs, [FlushRequest(addr, addr + 1) for addr in addrs], local)


async def _page(of: QueueHands, word: Word) -> int:
    await _flush(of, await first_queued(of, 1) if word.a == QUEUED else (of.addr,), bool(word.b))
    return 0


async def _range(of: QueueHands, word: Word) -> int:
    await _flush(of, await first_queued(of, word.a), bool(word.b))
    return 0


VOCABULARY = Vocabulary(
    (
        *queue_rules("batch", "index", "vpn", QUEUED),
        Rule("flush_hash_page", "", _page),
        Rule("flush_hash_range", "", _range),
        Rule("atomic_read", "mm.context.active_cpus", _active_cpus, just(0, 1, 2)),
        hidden(f"{READ}|{WRITE}", "batch.pte*", "what the entry was goes with the address", just(1)),
        hidden(f"{READ}|{WRITE}", "batch.?size[[]cpu0]", "all pages have one size", just(0)),
        *COMMON,
    )
)


class PowerpcHashFromC(QueueFromC, PowerpcHash):
    """What follows behind the change of an entry, and sections."""

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.facts_of(super().arch_facts())

    async def need_flush(self, mm: Mm, page: int) -> None:
        """hpte_need_flush()."""
        await self.run(QueueHands(mm, page), "enter_changed", ADDRESS)


def _plugin(automata: Any) -> object:
    return PowerpcHashFromC(automata)


BINDING = Binding(
    "powerpc-hash", manifest, VOCABULARY, _plugin, lambda version: "arch_plugins.powerpc_hash:PowerpcHash"
)
