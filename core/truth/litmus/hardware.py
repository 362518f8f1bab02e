"""Instructions of Armv8, RISC-V, x86 and POWER, as the files write them, in the words of the machines.

An ordering becomes what it promises: DMB ISHLD and RISC-V's `fence r,rw` are the same `Fence`.  POWER's barriers get
the order that a multi-copy-atomic machine can give: sync is DMB ISH, lwsync is DMB ISHLD and DMB ISHST, eieio is DMB
ISHST, isync is ISB.  x86's atomics are always locked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from core.memory_model.program import (
    LEVELS,
    Address,
    BranchFlags,
    BranchIf,
    Compare,
    Compute,
    Dsb,
    Fence,
    Isb,
    Jump,
    Load,
    Operand,
    Ordering,
    Return,
    Rmw,
    Select,
    SetReturn,
    StoreExclusive,
    StoreValue,
    Tlbi,
    entry_cell,
    is_entry,
)
from core.memory_model.values import CodeLabel
from core.truth.lines import FileError
from core.truth.litmus.assembly import Assembler
from core.truth.litmus.condition import parse_value

LOADS = {
    "acq": Ordering(acquire="sc"),
    "acqpc": Ordering(acquire="pc"),
    "acq-excl": Ordering(acquire="sc"),
    "acq-rel-excl": Ordering(acquire="sc", release="sc"),
    "excl": Ordering(),
}
STORES = {
    "rel": Ordering(release="sc"),
    "relpc": Ordering(release="pc"),
    "acq": Ordering(acquire="sc"),
    "acq-rel": Ordering(acquire="sc", release="sc"),
}
ATOMICS = {
    "": Ordering(),
    "a": Ordering(acquire="sc"),
    "l": Ordering(release="sc"),
    "al": Ordering("sc", "sc", full=True),
}
DOMAINS = {f"{domain}{kind}": kind for domain in ("ish", "osh") for kind in ("", "ld", "st")} | {
    "sy": "",
    "ld": "ld",
    "st": "st",
}
"""All CPUs are in one inner shareable domain.  NSH is not here: it orders for the own CPU alone."""
FULL, READS, WRITES = Fence("rw", "rw"), Fence("r", "rw"), Fence("w", "w")
DMB = {"": FULL, "ld": READS, "st": WRITES}
DSB = {"": Dsb(True, True), "ld": Dsb(True, False), "st": Dsb(False, True)}
NOTHING = ("NOP", "DC", "FENCEI", "LFENCE", "SFENCE")
"""Words without effect on these machines.  `fence.i` orders no data access, LFENCE and SFENCE none of these tests, and
there are no caches."""

BARRIERS: dict[str, tuple[Fence | Isb, ...]] = {
    "SYNC": (FULL,),
    "LWSYNC": (READS, WRITES),
    "EIEIO": (WRITES,),
    "MFENCE": (FULL,),
    "ISYNC": (Isb(),),
    "ISB": (Isb(),),
    "EXC": (Isb(),),
}
TLBI = re.compile(r"(?:vmalle1|aside1|vmalls12e1|alle1|r?v(?:aa|a)(?P<last>l)?e1)(?P<all>is|os)?(?:nxs)?")
"""Of what there is one of only, stage, ASID and VMID, the kinds are the same; a range is that of its page."""

Words = list[Any]


class Decoder:
    """Translates the instructions of one test; `translated` says whether accesses walk."""

    def __init__(self, where: str, translated: bool) -> None:
        self.where = where
        self.translated = translated
        self.words: dict[str, Callable[[Assembler, Words], None]] = {
            "R": self.load,
            "W": self.store,
            "STX": self.store_exclusive,
            "SWP": self.swap,
            "CAS": self.compare_and_swap,
            "LDOP": self.fetch_and_op,
            "TLBI": self.tlbi,
            "FENCE": self.fence,
            "DMB": lambda to, x: to.add(DMB[DOMAINS[x[1]]]),
            "DSB": lambda to, x: to.add(DSB[DOMAINS[x[1]]]),
            "MOV": lambda to, x: to.add(Compute(_register(x[1]), "mov", (self.operand(x[2]),))),
            "ALU": lambda to, x: to.add(Compute(_register(x[1]), x[2], tuple(self.operand(y) for y in x[3:]))),
            "CMP": lambda to, x: to.add(Compare(self.operand(x[1]), self.operand(x[2]))),
            "CSEL": lambda to, x: to.add(
                Select(x[1], self.operand(x[2]), self.operand(x[3]), {"eq": True, "ne": False}[x[4]])
            ),
            "CBZ": lambda to, x: to.branch(BranchIf(self.operand(x[1]), True, 0), x[2]),
            "CBNZ": lambda to, x: to.branch(BranchIf(self.operand(x[1]), False, 0), x[2]),
            "BCC": lambda to, x: to.branch(BranchFlags({"eq": True, "ne": False}[x[1]], 0), x[2]),
            "B": lambda to, x: to.branch(Jump(0), x[1]),
            "label": lambda to, x: to.label(x[1]),
            "ADR": lambda to, x: to.add(Compute(x[1], "mov", (CodeLabel(x[2]),))),
            "SETRET": lambda to, x: to.add(SetReturn(self.operand(x[1]))),
            "RETURN": lambda to, x: to.add(Return()),
        }

    def decode(self, to: Assembler, words: Words) -> None:
        """Append one instruction.  FileError if it is none."""
        name = words[0] if isinstance(words, list) and words and isinstance(words[0], str) else ""
        if name in NOTHING:
            return
        if name in BARRIERS:
            to.add(*BARRIERS[name])
            return
        # an access to an entry is written with its level, as 'pte', behind the word
        handle = self.words.get(name) or self.words.get(name.removesuffix(_level(name)))
        try:
            if handle is not None:
                handle(to, words)
                return
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            pass
        raise FileError(f"{self.where}: not an instruction: {words!r:.80}")

    def operand(self, given: Any) -> Operand:
        """A register by name, or a value."""
        return given if isinstance(given, str) else parse_value(self.where, given)

    def address(self, words: Words, given: Any) -> Address:
        """What an access of the instruction `words` addresses."""
        level = _level(words[0])
        translated = self.translated and not level
        match given:
            case str():
                direct = is_entry(given)
                cell = entry_cell(given, level) if level and not direct else given
                return Address(cell, None, None, translated and not direct)
            case {"base": str(base), "idx": str(index)}:
                return Address(entry_cell(base, level) if level else base, None, index, translated)
            case {"reg": str(register)}:
                return Address(None, register, given.get("idx"), translated)
        raise FileError(f"{self.where}: not an address: {given!r:.60}")

    def load(self, to: Assembler, words: Words) -> None:
        """`["R", register, address, kind]`."""
        kind = words[3] if len(words) > 3 else ""
        order = LOADS[kind] if kind else Ordering()
        to.add(Load(_register(words[1]), self.address(words, words[2]), order, kind.endswith("excl")))

    def store(self, to: Assembler, words: Words) -> None:
        """`["W", address, value, kind]`."""
        order = STORES[words[3]] if len(words) > 3 else Ordering()
        to.add(StoreValue(self.address(words, words[1]), self.operand(words[2]), order))

    def store_exclusive(self, to: Assembler, words: Words) -> None:
        """`["STX", status, address, value, kind]`."""
        order = STORES[words[4]] if len(words) > 4 else Ordering()
        to.add(StoreExclusive(words[1] or None, self.address(words, words[2]), self.operand(words[3]), order))

    def swap(self, to: Assembler, words: Words) -> None:
        """`["SWP", register, address, value, kind]`; register 0 discards the result."""
        order = ATOMICS[words[4] if len(words) > 4 else ""]
        to.add(Rmw(words[1] or None, self.address(words, words[2]), "swp", self.operand(words[3]), order))

    def compare_and_swap(self, to: Assembler, words: Words) -> None:
        """`["CAS", register, address, comparand, value, kind]`."""
        order = ATOMICS[words[5] if len(words) > 5 else ""]
        compare, value = self.operand(words[3]), self.operand(words[4])
        to.add(Rmw(words[1] or None, self.address(words, words[2]), "swp", value, order, compare))

    def fetch_and_op(self, to: Assembler, words: Words) -> None:
        """`["LDOP", op, register, address, operand, kind]`."""
        order = ATOMICS[words[5] if len(words) > 5 else ""]
        to.add(Rmw(words[2] or None, self.address(words, words[3]), words[1], self.operand(words[4]), order))

    def fence(self, to: Assembler, words: Words) -> None:
        """RISC-V: `["FENCE", before, after]`, or "tso"."""
        if words[1:] == ["tso"]:
            to.add(Fence("rw", "rw", tso=True))
            return
        before, after = words[1:]
        if before not in ("r", "w", "rw") or after not in ("r", "w", "rw"):
            raise KeyError(before)
        to.add(Fence(before, after))

    def tlbi(self, to: Assembler, words: Words) -> None:
        """`["TLBI", op]` of all pages, or `["TLBI", op, page]`."""
        found = TLBI.fullmatch(words[1])
        if found is None:
            raise KeyError(words[1])
        broadcast, last = found["all"] is not None, found["last"] is not None
        if len(words) == 2:
            to.add(Tlbi(None, None, broadcast))
            return
        register = words[2]["page_of"] if isinstance(words[2], dict) else None
        page = None if register else words[2]
        to.add(Tlbi(page, register, broadcast, nowhere=words[3:] == ["unshifted"], last=last))


def _level(word: str) -> str:
    """The level of the entry that an access of this name is to; '' if it is to none."""
    return next((level for level in LEVELS if word.endswith(level)), "")


def _register(given: Any) -> str:
    if not isinstance(given, str):
        raise KeyError(given)
    return given
