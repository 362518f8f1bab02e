"""Litmus tests as herd7 reads them: Armv8 with translation tables, written and read back.

    AArch64 NAME
    { [PTE(p0)]=(oa:PA(f0), valid:1, af:1, db:1, dbm:0, el0:1); f0=0; 0:X0=PTE(p0); 0:X1=p0; }
     P0          | P1           ;
     LDR W2,[X1] | STR X2,[X0]  ;
    ~exists (0:X2=1)

herd7_read.py reads them back.  The tables of herd's variant `vmsa` are meant; `TTHM=HD` behind the name says that
hardware sets access flag and dirty state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

Words = list[Any]

ENTRY = ("valid", "af", "db", "dbm", "el0")
SUFFIXES = {"": "", "a": "A", "l": "L", "al": "AL"}


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
