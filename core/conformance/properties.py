"""All properties by name, each with the sentence that is printed when it is violated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.explore.model import Property
from core.machine.lock import FREE, MMAP_LOCK
from core.machine.op import Cell, Cpu, Tid
from core.machine.pte import ProtNone, Pte, Swap, pte_cell
from core.machine.tlb import newer_cell, ref_cell
from core.mm.direct_io import device_wrote_cell
from core.mm.kthread import MM_USERS
from core.mm.mm import PENDING
from core.mm.page import FOLIO_WITHOUT_LOCK, mapcount_cell, pg_dirty_cell, pg_locked_cell
from core.mm.pgtable import ANOTHER_TABLE, ENTRY_WITHOUT_LOCK, NO_PAGE
from core.mm.rmap import RMAP_LOCK, file_mapped_cell, memcg_cell
from core.mm.swap import lru_add_cell, pg_swapbacked_cell
from core.mm.swapfile import pg_swapcache_cell, swap_map_cell

SENTENCES = {
    "no-lost-dirty": "A store reached the page, yet neither PG_dirty nor a page-table entry says that memory is newer "
    "than the disk: the data is lost when the page is reclaimed.",
    "unmapped-while-written": "A dirty page of a file has been removed from the reverse map, and another CPU can still "
    "write to it: writeback finds no mapping, cleans the page, and the next store is lost.",
    "store-after-copy": "A store reached a page after its contents had been copied (or compared), and the copy is "
    "mapped now: the store is lost.",
    "use-after-free": "A CPU went through a stale TLB entry to a page that had been given back to the allocator.",
    "another's-page": "A CPU read through a stale TLB entry a page that has been given to somebody else since.",
    "anothers-translation": "A CPU used a translation that another address space has left under the same ASID.",
    "stale-after-return": "The call has returned, and a CPU can still use a translation that it should have removed.",
    "break-before-make": "A valid entry has taken the place of one that a TLB may still hold, with another page, of "
    "another size or with the other contiguous bit: the hardware may use either, or raise a TLB conflict abort.",
    "emitted-covers": "The flush is believed to reach an entry that none of the executed instructions covers.",
    "deadlock": "The call does not return.",
    "empty-but-cached": "An operation that holds the page-table lock relies on an empty entry, and a CPU can still use "
    "the translation that the entry had.",
    "no-page-table": "An upper-level entry points to a page that is not a page table: the hardware walks it as one.",
    "one-hash-entry": "The hash table has two entries for one address: the hardware may use either, or raise a machine "
    "check.",
    "walk-of-freed-table": "A walk went on from an upper-level entry, cached or read before it was cleared, into a "
    "page table that had been given back to the allocator.",
    "gup-in-freed-table": "A lockless walk in software (GUP-fast) read an entry in a page table that had been given "
    "back to the allocator.",
    "entry-in-freed-table": "An operation that holds the lock of a page table reads or writes an entry in it, and the "
    "table has been given back to the allocator.",
    "unhooked-entry": "An entry was set in a page table that no upper entry points to: its page is mapped nowhere and "
    "is never given back.",
    "gup-of-another": "GUP-fast returned a page that another process has mapped, from a page table that was shared and "
    "now belongs to that process alone.",
    "reached-by-device": "A device has written to a page for the process, whose entry does not map that page any more: "
    "the written data is lost.",
    "rmap-under-ptl": "A mapping was removed from the reverse map without the page-table lock, which alone keeps "
    "folio_mkclean() and the memcg accounting consistent with it.",
    "this-cpu-preemptible": "A task asks on which CPU it is where it may be moved to another before it uses the "
    "answer: BUG: using smp_processor_id() in preemptible code.",
    "mapcount-underflow": "A mapping was removed from the reverse map that was in it no more: the page is taken for "
    "unmapped while another entry maps it.",
    ENTRY_WITHOUT_LOCK: "A program changes an entry of a page table without the lock of the table.",
    FOLIO_WITHOUT_LOCK: "A program moves a folio into the swap cache, or out of it, without the lock of the folio.",
    "write-protected": "A mapping that was made read-only allows stores.",
    NO_PAGE: "An empty entry, or one that points to a table, is taken for one of a page.",
    ANOTHER_TABLE: "An address is looked up in the page table of another pmd than its own.",
    "entry-as-told": "A hook has returned another entry than there was, or has left another than it should.",
    "young-as-told": "A look at the accessed bit misses a use, or leaves a bit or a translation behind by which the "
    "next look or the next use is misjudged.",
    "needs-flush": "A hook says that a change of an entry needs no flush, and who has the old entry cached can do what "
    "the new one forbids.",
    "delayed-in-last-batch": "A batch that tlb_flush_rmaps() will not walk holds an entry with a delayed rmap.",
    "flushed-covers-cleared": "An entry was cleared, and no flush of the gather covered it before pages were freed.",
    "batch-limit": "The gather holds more pages than its batches have slots, or than may be freed without a "
    "preemption point.",
    "folio-apart": "A folio of the gather is given back without its number of pages, which is then taken for a page.",
    "delay-ends": "tlb->delayed_rmap is set, and no removal of an rmap is waiting: the gather is flushed early, and "
    "its batches are walked under the page-table lock for nothing.",
    "freed-once": "A page was given back twice.",
    "all-freed": "Everything has ended, and a page that was unmapped, or a table that was unhooked, has not been given "
    "back: it is leaked.",
    "unmapped-at-end": "The range was unmapped, but something is mapped: an entry was set again after it was cleared.",
    "mapped-at-end": "A page was mapped, and is not any more: a call took it away that was about the mapping before.",
    "mapcount-is-ptes": "The page's mapcount is not the number of entries that map it: one was set or cleared without "
    "the reverse map.",
    "swap-map-is-ptes": "A place in swap does not count the entries that have it: it is given to another page while "
    "one has it, or to none ever again.",
    "mapped-accounting": "NR_FILE_MAPPED of a cgroup is not the number of its mapped pages.",
    "balanced": "Everything has ended, and a lock is still held, a gather is still counted as open, or a batch has not "
    "been freed.",
    "vma-as-asked": "The call has returned, and a mapping it should have removed remains, or one it should have "
    "created is missing.",
    "mapped-throughout": "A fault found no mapping at an address that one mapping or another covers at any time.",
    "fault-into-unmapped": "A fault found the mapping, and an entry that munmap had already cleared: it would map a "
    "page that is never unmapped.",
    "contents-known": "An anonymous page has been reclaimed, and its entry does not say where the contents are.",
    "shared-writable": "A private page is mapped by two processes, and one of them may write to it: the other sees it.",
    "mm-users": "mm_users is not the number of users of the mm: it is torn down while it is in use, or never.",
    "lock-discipline": "A task released a lock that it does not hold, took mmap_lock for reading twice, or left a page "
    "locked; or a hook has released mmap_lock, which the call holds around it.",
}
"""By name.  A property that a step itself violates has only its sentence here."""


def _property(name: str, reads: Sequence[Cell], holds: object) -> Property:
    return Property(name, SENTENCES[name], tuple(reads), holds)  # type: ignore[arg-type]


def no_lost_dirty(page: int, addrs: Sequence[int]) -> Property:
    """Always: if memory is newer than the disk, PG_dirty or a page-table entry says so, or will be found to say so.

    When no mapping is left in rmap whose entry would be looked at, and no writeback holds the page locked, only
    PG_dirty can say so.  The property is violated at the earliest point at which the data is lost.
    """

    def holds(newer: bool, pg_dirty: bool, locked: object, mapcount: int, *ptes: object) -> bool:
        return not newer or pg_dirty or locked is not None or mapcount > 0 or _maps_dirty(page, ptes)

    reads = (
        newer_cell(page),
        pg_dirty_cell(page),
        pg_locked_cell(page),
        mapcount_cell(page),
        *map(pte_cell, addrs),
    )
    return _property("no-lost-dirty", reads, holds)


def dirty_known_at_end(page: int, addrs: Sequence[int], *huge: Cell) -> Property:
    """At the end: if memory is newer than the disk, PG_dirty or an entry that maps the page says so (PTEs, `huge`)."""

    def holds(newer: bool, pg_dirty: bool, *ptes: object) -> bool:
        return not newer or pg_dirty or _maps_dirty(page, ptes)

    return _property("no-lost-dirty", (newer_cell(page), pg_dirty_cell(page), *map(pte_cell, addrs), *huge), holds)


def dirty_kept(page: int, addr: int) -> Property:
    """At the end: a dirty entry maps `page` at `addr`. Of the copy of a page whose entry was dirty."""
    return _property("no-lost-dirty", (pte_cell(addr),), lambda pte: _maps_dirty(page, [pte]))


def store_after_copy(page: int, new: int, addr: int) -> Property:
    """Always: once `new` is mapped at `addr` instead of `page`, it has every store that reached `page`."""

    def holds(newer: bool, pte: object) -> bool:
        return not (newer and isinstance(pte, Pte) and pte.frame == new)

    return _property("store-after-copy", (newer_cell(page), pte_cell(addr)), holds)


def _maps_dirty(page: int, ptes: Sequence[object]) -> bool:
    return any(isinstance(p, Pte) and p.frame == page and p.dirty for p in ptes)


def all_freed(page: int, kept: int) -> Property:
    """At the end: exactly `kept` references are left."""
    return _property("all-freed", (ref_cell(page),), lambda ref: ref == kept)


def unlocked_at_end(page: int) -> Property:
    """At the end: nobody has the page locked."""
    return _property("lock-discipline", (pg_locked_cell(page),), lambda owner: owner is None)


def held_by_mappings(page: int) -> Property:
    """At the end: each reference that is left is a mapping's."""
    return _property("all-freed", (ref_cell(page), mapcount_cell(page)), lambda ref, mapcount: ref == mapcount)


def held_by_swap_cache(page: int) -> Property:
    """At the end: each reference that is left is a mapping's or the swap cache's."""
    reads = (ref_cell(page), mapcount_cell(page), pg_swapcache_cell(page))
    return _property("all-freed", reads, lambda ref, mapcount, cached: ref == mapcount + cached)


def places_are_entries(page: int, addrs: Sequence[int]) -> Property:
    """At the end: the page's place in swap counts the entries that have it."""

    def holds(count: int, *ptes: object) -> bool:
        return count == sum(isinstance(pte, Swap) and pte.offset == page for pte in ptes)

    return _property("swap-map-is-ptes", (swap_map_cell(page), *map(pte_cell, addrs)), holds)


def batch_drained(cpu: Cpu) -> Property:
    """At the end: no page waits in the LRU batch of `cpu`, which holds a reference to each."""
    return _property("all-freed", (lru_add_cell(cpu),), lambda pages: pages == ())


def table_freed(entry: Cell, table: Cell, rcu_head: Cell | None = None) -> Property:
    """At the end: the table is freed, or waits for RCU (`rcu_head`), unless the upper-level entry points to it."""

    def holds(points: object, there: bool, waits: object = None) -> bool:
        return points is not None or not there or waits is not None

    return _property("all-freed", (entry, table, *([rcu_head] if rcu_head else [])), holds)


def tables_freed(upper: Cell, tables: Mapping[int, Cell]) -> Property:
    """At the end: each of `tables`, by number, is freed, unless the upper entry points to it."""
    numbers = tuple(tables)

    def holds(points: object, *there: bool) -> bool:
        return all(number == points or not is_one for number, is_one in zip(numbers, there, strict=True))

    return _property("all-freed", (upper, *tables.values()), holds)


def unhooked_entry(addr: int, upper: Cell) -> Property:
    """Where the upper entry points to no table, the entry of `addr` is empty: always, or at the end."""
    return _property("unhooked-entry", (upper, pte_cell(addr)), lambda table, pte: table is not None or pte is None)


def unmapped_at_end(addr: int) -> Property:
    """At the end: nothing is mapped at `addr` any more."""
    return _property("unmapped-at-end", (pte_cell(addr),), lambda pte: pte is None)


def mapped_at_end(addr: int, page: int) -> Property:
    """At the end: `addr` maps `page`."""
    return _property("mapped-at-end", (pte_cell(addr),), lambda pte: isinstance(pte, Pte) and pte.frame == page)


def balanced(locks: Sequence[Cell], tasks: Sequence[Tid]) -> Property:
    """At the end: mmap_lock and the page-table `locks` are free, no gather is open, no batch of `tasks` is held."""
    held = tuple(Cell("held_batches", tid) for tid in tasks)
    free = (FREE, None, 0, *(None for _ in locks), *(0 for _ in held))
    return _property("balanced", (MMAP_LOCK, RMAP_LOCK, PENDING, *locks, *held), lambda *now: now == free)


def vma_as_asked(start: int, there: bool) -> Property:
    """At the end: the VMA that starts at `start` is in the tree (`there`) or not."""
    return _property("vma-as-asked", (Cell("vma", start),), lambda now: now is there)


def contents_known(addr: int) -> Property:
    """At the end: the entry of an anonymous page maps it, or says where it is in swap."""
    return _property("contents-known", (pte_cell(addr),), lambda pte: isinstance(pte, Pte | Swap))


def contents_kept(page: int, addr: int, copy: int) -> Property:
    """At the end: what was stored to the anonymous `page` is where the entry says: in it, in its copy, or in swap.

    What is in swap is in the swap cache, and dirty, or has been written out.
    """

    def holds(newer: bool, dirty: bool, cached: bool, entries: int, pte: object) -> bool:
        if isinstance(pte, Swap):
            return entries > 0 and (not newer or (cached and dirty))
        return isinstance(pte, Pte) and (pte.frame == page or (pte.frame == copy and not newer))

    reads = (newer_cell(page), pg_dirty_cell(page), pg_swapcache_cell(page), swap_map_cell(page), pte_cell(addr))
    return _property("contents-known", reads, holds)


def not_discarded(page: int, addr: int) -> Property:
    """At the end: reclaim does not drop what was stored to the anonymous `page`, which is mapped at `addr` or in swap.

    It drops a page that is clean and, by PG_swapbacked, not to be swapped out, or of which the swap cache says that
    swap has it.  What is mapped there no more, and not in swap, must have been given up.
    """

    def holds(newer: bool, dirty: bool, cached: bool, backed: bool, entries: int, pte: object) -> bool:
        if isinstance(pte, Swap):
            return entries > 0 and (not newer or (cached and dirty))
        if not isinstance(pte, Pte):
            return not newer
        return not newer or dirty or _maps_dirty(page, [pte]) or (backed and not cached)

    flags = (newer_cell(page), pg_dirty_cell(page), pg_swapcache_cell(page), pg_swapbacked_cell(page))
    return _property("contents-known", (*flags, swap_map_cell(page), pte_cell(addr)), holds)


def reached_by_device(page: int, addr: int) -> Property:
    """At the end: the entry maps the page to which a device has written for the process, or has it in swap."""

    def holds(wrote: bool, pte: object) -> bool:
        return not wrote or (isinstance(pte, Pte) and pte.frame == page) or isinstance(pte, Swap)

    return _property("reached-by-device", (device_wrote_cell(page), pte_cell(addr)), holds)


def shared_read_only(page: int, addrs: Sequence[int]) -> Property:
    """At the end: if more than one of the entries maps the private `page`, none of them is writable."""

    def holds(*ptes: object) -> bool:
        maps = [p for p in ptes if isinstance(p, Pte) and p.frame == page]
        return len(maps) < 2 or not any(p.write for p in maps)

    return _property("shared-writable", tuple(map(pte_cell, addrs)), holds)


def mm_users_is(users: int) -> Property:
    """At the end: mm_users is `users`: every reference that was taken has been dropped once."""
    return _property("mm-users", (MM_USERS,), lambda n: n == users)


def mapcount_is_ptes(page: int, addrs: Sequence[int]) -> Property:
    """At the end: the mapcount is the number of entries that map the page."""

    def holds(mapcount: int, *ptes: object) -> bool:
        return mapcount == sum(isinstance(p, Pte | ProtNone) and p.frame == page for p in ptes)

    return _property("mapcount-is-ptes", (mapcount_cell(page), *map(pte_cell, addrs)), holds)


def mapped_accounting(memcgs: Sequence[str], pages: Sequence[int]) -> Property:
    """At the end: each cgroup counts the mapped pages charged to it."""
    reads = [file_mapped_cell(m) for m in memcgs]
    reads += [*map(memcg_cell, pages), *map(mapcount_cell, pages)]

    def holds(*values: object) -> bool:
        counts, rest = values[: len(memcgs)], values[len(memcgs) :]
        charged, mapcounts = rest[: len(pages)], rest[len(pages) :]
        mapped = [m for m, n in zip(charged, mapcounts, strict=True) if n]
        return all(count == mapped.count(memcg) for memcg, count in zip(memcgs, counts, strict=True))

    return _property("mapped-accounting", reads, holds)


def sometimes(name: str, sentence: str, reads: Sequence[Cell], holds: object) -> Property:
    """A window: a situation that the search has to reach, because otherwise a pass means nothing."""
    return Property(name, f"Never reached: {sentence}", tuple(reads), holds)  # type: ignore[arg-type]
