"""Litmus tests as herd7 reads them: Armv8 with translation tables, written and read back.

    AArch64 NAME
    { [PTE(p0)]=(oa:PA(f0), valid:1, af:1, db:1, dbm:0, el0:1); f0=0; 0:X0=PTE(p0); 0:X1=p0; }
     P0          | P1           ;
     LDR W2,[X1] | STR X2,[X0]  ;
    ~exists (0:X2=1)

What is read is what `text_of` writes, and no more: straight lines of loads, stores, atomics, barriers and TLBI, entries
and pages in registers that the head sets, and one condition.  The tables of herd's variant `vmsa` are meant; `TTHM=HD`
behind the name says that hardware sets access flag and dirty state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from core.truth.lines import FileError

Words = list[Any]

ENTRY = ("valid", "af", "db", "dbm", "el0")
SUFFIXES = {"": "", "a": "A", "l": "L", "al": "AL"}

# ---- writing -------------------------------------------------------------------------------------------------


@dataclass
class _Column:
    """The instructions of a thread; `registers` are what the head sets, by what is in them."""

    thread: int
    lines: list[str] = field(default_factory=list)
    registers: dict[str, int] = field(default_factory=dict)
    results: dict[str, int] = field(default_factory=dict)
    used: int = 0

    def fresh(self) -> int:
        """A register that is not used yet."""
        self.used += 1
        return self.used - 1

    def holding(self, what: str) -> str:
        """The register that holds an address, an entry or a number from the start."""
        if what not in self.registers:
            self.registers[what] = self.fresh()
        return f"X{self.registers[what]}"

    def result(self, register: str) -> str:
        """The register that an access loads."""
        self.results[register] = self.fresh()
        return str(self.results[register])


def text_of(raw: Mapping[str, Any]) -> str:
    """A test in the format of the files, as a herd7 test: the expected verdict is the quantifier."""
    columns = [_column(number, words) for number, words in enumerate(raw["threads"])]
    head = [f" [PTE({page})]={_entry(entry)};" for page, entry in raw["init"]["pte"].items()]
    head.append(" " + " ".join(f"{cell}={value};" for cell, value in raw["init"]["mem"].items()))
    head += [" " + " ".join(f"{c.thread}:X{at}={what};" for what, at in c.registers.items()) for c in columns]
    quantifier = "exists" if raw["expected"] == "allowed" else "~exists"
    condition = _condition(raw["condition"], columns)
    tthm = ["TTHM=HD"] if any(raw["hw"]) else []
    lines = [f"AArch64 {raw['id']}", *tthm, "{", *head, "}", *_table(columns), f"{quantifier} {condition}"]
    return "\n".join(lines) + "\n"


def _column(thread: int, code: list[Words]) -> _Column:
    column = _Column(thread)
    for words in code:
        column.lines += _lines(column, words)
    return column


def _lines(column: _Column, words: Words) -> list[str]:
    match words:
        case ["R", register, page]:
            at = column.holding(page)
            return [f"LDR W{column.result(register)},[{at}]"]
        case ["W", page, value, *kind]:
            return [f"{'STLR' if kind else 'STR'} W{column.holding(str(value))[1:]},[{column.holding(page)}]"]
        case ["Wpte", page, entry]:
            return [f"STR {column.holding(_entry(entry))},[{column.holding(f'PTE({page})')}]"]
        case ["SWPpte", register, page, entry, kind]:
            new, at = column.holding(_entry(entry)), column.holding(f"PTE({page})")
            return [f"SWP{SUFFIXES[kind]} {new},X{column.result(register)},[{at}]"]
        case ["SWP", register, cell, value, kind]:
            new, at = column.holding(str(value))[1:], column.holding(cell)
            return [f"SWP{SUFFIXES[kind]} W{new},W{column.result(register)},[{at}]"]
        case ["TLBI", op]:
            return [f"TLBI {op.upper()}"]
        case ["TLBI", op, page]:
            at, number = column.holding(page), column.fresh()
            return [f"LSR X{number},{at},#12", f"TLBI {op.upper()},X{number}"]
        case ["ISB"]:
            return ["ISB"]
        case [barrier, domain]:
            return [f"{barrier} {domain.upper()}"]
    raise AssertionError(words)


def _entry(entry: Mapping[str, Any]) -> str:
    return f"(oa:PA({entry['oa']}), {', '.join(f'{name}:{entry[name]}' for name in ENTRY)})"


def _table(columns: list[_Column]) -> Iterator[str]:
    rows = list(zip_longest(*([f"P{c.thread}", *c.lines] for c in columns), fillvalue=""))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield " " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, wide, strict=True)) + " ;"


def _condition(given: Words, columns: list[_Column]) -> str:
    parts = []
    for _, place, value in given[1:]:
        match place:
            case ["reg", thread, register]:
                parts.append(f"{thread}:X{columns[thread].results[register]}={value}")
            case ["mem", cell]:
                parts.append(f"[{cell}]={value}")
    return "(" + " \\/ ".join(parts) + ")"


# ---- reading -------------------------------------------------------------------------------------------------

FORM = re.compile(
    r"AArch64 (?P<id>\S+)\s*(?P<tthm>TTHM=HD)?\s*\{(?P<head>.*?)\}(?P<code>.*;)\s*"
    r"(?P<how>~?exists)\s*\((?P<what>.*)\)\s*",
    re.S,
)
PAGE_ENTRY = re.compile(r"\(oa:PA\((\w+)\), " + ", ".join(rf"{name}:([01])" for name in ENTRY) + r"\)")
ACCESS = re.compile(r"(LDR|STR|STLR) [WX](\d+),\[X(\d+)\]")
SWAP = re.compile(r"SWP(A|L|AL|) [WX](\d+),[WX](\d+),\[X(\d+)\]")
SHIFT = re.compile(r"LSR X(\d+),X(\d+),#12")
TLBI = re.compile(r"TLBI (\w+)(?:,X(\d+))?")
BARRIER = re.compile(r"(DMB|DSB) (\w+)")


def is_herd7(text: str) -> bool:
    """Is this a test of herd7 for Armv8?"""
    return text.startswith("AArch64 ")


def raw_of(where: str, text: str) -> dict[str, Any]:
    """The test in the format of the files.  FileError, located by `where`, for what is not read."""
    form = FORM.fullmatch(text)
    if form is None:
        raise FileError(f"{where}: expected AArch64 NAME, {{ head }}, columns that end in ';', and exists or ~exists")
    reader = _Reader(where)
    for item in (x.strip() for x in form["head"].split(";")):
        if item:
            reader.head(item)
    rows = [[cell.strip() for cell in row.split("|")] for row in form["code"].split(";")[:-1]]
    if any(len(row) != len(rows[0]) for row in rows):
        raise FileError(f"{where}: a row of the table has not {len(rows[0])} columns")
    threads = [
        [words for row in rows[1:] if row[n] for words in reader.instruction(n, row[n])] for n in range(len(rows[0]))
    ]
    return {
        "id": form["id"],
        "tier": 1,
        "threads": threads,
        "fault_mode": "stop",
        "init": {"mem": reader.memory, "pte": reader.entries, "regs": {}},
        "hw": ["HA HD" if form["tthm"] else ""] * len(threads),
        "el0": [],
        "condition": ["or", *(reader.part(part.strip()) for part in form["what"].split("\\/"))],
        "expected": "allowed" if form["how"] == "exists" else "forbidden",
    }


class _Reader:
    """What the head of a test has said: memory, entries, and what is in the registers of each thread."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.memory: dict[str, int] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.registers: dict[tuple[int, int], str] = {}
        self.shifted: dict[tuple[int, int], str] = {}

    def head(self, item: str) -> None:
        """One assignment."""
        place, _, value = item.partition("=")
        if found := re.fullmatch(r"\[PTE\((\w+)\)\]", place):
            self.entries[found[1]] = self.entry(value)
        elif found := re.fullmatch(r"(\d+):X(\d+)", place):
            self.registers[int(found[1]), int(found[2])] = value
        elif re.fullmatch(r"\w+", place) and value.isdigit():
            self.memory[place] = int(value)
        else:
            raise FileError(f"{self.where}: not read: {item!r:.80}")

    def entry(self, text: str) -> dict[str, Any]:
        """An entry."""
        found = PAGE_ENTRY.fullmatch(text)
        if found is None:
            raise FileError(f"{self.where}: not an entry: {text!r:.80}")
        return {"oa": found[1], **{name: int(bit) for name, bit in zip(ENTRY, found.groups()[1:], strict=True)}}

    def instruction(self, thread: int, text: str) -> list[Words]:
        """One instruction; a shift only says which page the next TLBI is of."""
        if found := ACCESS.fullmatch(text):
            return [self._access(thread, found)]
        if found := SWAP.fullmatch(text):
            kind, new, result, at = found[1].lower(), int(found[2]), f"X{found[3]}", int(found[4])
            page, entry = self._address(thread, at)
            if entry:
                return [["SWPpte", result, page, self.entry(self._held(thread, new)), kind]]
            return [["SWP", result, page, int(self._held(thread, new)), kind]]
        if found := SHIFT.fullmatch(text):
            self.shifted[thread, int(found[1])] = self._held(thread, int(found[2]))
            return []
        if found := TLBI.fullmatch(text):
            return [["TLBI", found[1].lower(), *([self._page(thread, int(found[2]))] if found[2] else [])]]
        if found := BARRIER.fullmatch(text):
            return [[found[1], found[2].lower()]]
        if text == "ISB":
            return [["ISB"]]
        raise FileError(f"{self.where}: thread {thread}: not an instruction that is read: {text!r:.60}")

    def _access(self, thread: int, found: re.Match[str]) -> Words:
        word, register, (page, entry) = found[1], int(found[2]), self._address(thread, int(found[3]))
        if word == "LDR":
            return ["Rpte" if entry else "R", f"X{register}", page]
        if entry:
            return ["Wpte", page, self.entry(self._held(thread, register))]
        value = int(self._held(thread, register))
        return ["W", page, value, *(["rel"] if word == "STLR" else [])]

    def _held(self, thread: int, register: int) -> str:
        try:
            return self.registers[thread, register]
        except KeyError:
            raise FileError(f"{self.where}: thread {thread}: the head does not say what X{register} holds") from None

    def _page(self, thread: int, register: int) -> str:
        try:
            return self.shifted[thread, register]
        except KeyError:
            raise FileError(f"{self.where}: thread {thread}: TLBI of X{register}, which is no page number") from None

    def _address(self, thread: int, register: int) -> tuple[str, bool]:
        """The page that an address names, and whether it is that of its entry."""
        held = self._held(thread, register)
        entry = re.fullmatch(r"PTE\((\w+)\)", held)
        return (entry[1], True) if entry else (held, False)

    def part(self, text: str) -> Words:
        """One alternative of the condition."""
        if found := re.fullmatch(r"(\d+):X(\d+)=(\d+)", text):
            return ["eq", ["reg", int(found[1]), f"X{found[2]}"], int(found[3])]
        if found := re.fullmatch(r"\[(\w+)\]=(\d+)", text):
            return ["eq", ["mem", found[1]], int(found[2])]
        raise FileError(f"{self.where}: not a condition that is read: {text!r:.60}")
