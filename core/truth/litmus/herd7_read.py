"""Litmus tests of Armv8 as people write them for herd7, read into the format of the files.

    AArch64 NAME
    "information"  Key=value  (* comment *)
    { [PTE(x)]=(oa:PA(y), valid:0); x=1; 0:X1=x; 0:X2=PTE(x); }
     P0          | P0.F | P1            ;
     L0:         | ERET | LDAR W1,[X1]  ;
     STR W0,[X1] |      | CBNZ W1,End   ;
    locations [x]  filter (...)
    exists (1:X1=0x1 /\\ ~fault(P0:L0,x))

A register that the head sets and no instruction writes is a constant, and is put in the place of its name.  A column
`P0.F` is what a fault of P0 goes to.  The quantifier is read as the verdict: `exists` as allowed, `~exists` as
forbidden, `forall` as required.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from core.truth.lines import FileError
from core.truth.litmus.herd7_condition import Condition
from core.truth.litmus.herd7_head import ENTRY, Head, register

Words = list[Any]

FORM = re.compile(
    r"AArch64\s+(?P<id>\S+)(?P<keys>[^{]*)\{(?P<head>.*?)\}(?P<code>.*;)\s*"
    r"(?:locations\s*\[[^\]]*\]\s*;?\s*)?(?:filter\s*(?P<filter>.*?)\s*)?"
    r"(?P<how>~\s*exists|exists|forall)\b\s*(?P<what>.*?)\s*",
    re.S,
)
VERDICT = {"exists": "allowed", "~exists": "forbidden", "forall": "required"}
LOADS = {"LDR": "", "LDAR": "acq", "LDAPR": "acqpc", "LDXR": "excl", "LDAXR": "acq-excl"}
STORES = {"STR": "", "STLR": "rel"}
EXCLUSIVE = {"STXR": "", "STLXR": "rel"}
ALU = ("ADD", "SUB", "EOR", "AND", "ORR", "BIC", "LSL", "LSR", "MUL")
ATOMIC = re.compile(r"(SWP|CAS|(?:LD|ST)(?:ADD|SET|CLR|EOR))(AL|A|L)?")
ADDRESS = re.compile(r"\[(\w+)(?:,(?:#0|(\w+)(?:,(?:[SU]XTW|LSL)(?:#0)?)?))?\]")


def is_herd7(text: str) -> bool:
    """Is this a test of herd7 for Armv8?"""
    return text.startswith("AArch64 ")


def raw_of(where: str, text: str) -> dict[str, Any]:
    """The test in the format of the files.  FileError, located by `where`, for what is not read."""
    form = FORM.fullmatch(_without_comments(text))
    if form is None:
        raise FileError(
            f"{where}: expected AArch64 NAME, {{ head }}, columns that end in ';', and exists, ~exists or forall"
        )
    head = Head(where)
    for item in filter(None, (x.strip() for x in form["head"].split(";"))):
        head.read(item)
    main, handlers = _columns(where, form["code"])
    threads = [_Thread(head, n, rows, handlers.get(n, [])) for n, rows in enumerate(main)]
    condition = Condition(head, form["what"]).whole()
    filtered = Condition(head, form["filter"]).whole() if form["filter"] else None
    codes = [thread.code(rows) for thread, rows in zip(threads, main, strict=True)]
    own = {str(n): threads[n].code(rows) for n, rows in handlers.items()}
    constant = {(n, register) for n, thread in enumerate(threads) for register in thread.constants}
    return {
        "id": form["id"],
        "tier": 1,
        "threads": codes,
        "handlers": own,
        "fault_mode": "handler" if own else "stop",
        "init": {
            "mem": head.memory,
            "pte": {page: head.entries.get(page, ENTRY | {"oa": page}) for page in (*head.memory, *head.entries)},
            "regs": {f"{n}:{r}": value for (n, r), value in head.registers.items() if (n, r) not in constant},
        },
        "hw": _hardware(form["keys"], len(main)),
        "el0": [],
        "condition": condition,
        "filter": filtered,
        "expected": VERDICT[form["how"].replace(" ", "")],
    }


def _without_comments(text: str) -> str:
    return re.sub(r"\(\*.*?\*\)", " ", text, flags=re.S)


def _hardware(keys: str, threads: int) -> list[str]:
    """Who sets access flag and dirty state: `TTHM=HD` everybody, `TTHM=P0:HA` P0."""
    hardware = [""] * threads
    for line in re.findall(r"TTHM=([^\n\"]*)", keys):
        for thread, what in re.findall(r"(?:P(\d+):)?(HA|HD)\b", line):
            for n in range(threads):
                if thread in ("", str(n)):
                    hardware[n] = "HA HD" if what == "HD" else hardware[n] or "HA"
    return hardware


def _columns(where: str, text: str) -> tuple[list[list[str]], dict[int, list[str]]]:
    """The lines of each thread, and those of the handlers."""
    rows = [[cell.strip() for cell in row.split("|")] for row in text.split(";")[:-1]]
    if any(len(row) != len(rows[0]) for row in rows):
        raise FileError(f"{where}: a row of the table has not {len(rows[0])} columns")
    main: list[list[str]] = []
    handlers: dict[int, list[str]] = {}
    for name, *cells in zip(*rows, strict=True):
        found = re.fullmatch(r"P(\d+)(\.F)?", name)
        lines = [cell for cell in cells if cell]
        if found is None or (not found[2] and int(found[1]) != len(main)) or int(found[1]) > len(main):
            raise FileError(f"{where}: a column is called {name!r}; expected P{len(main)}, or P0.F for a handler")
        if found[2]:
            handlers[int(found[1])] = lines
        else:
            main.append(lines)
    return main, handlers


@dataclass
class _Thread:
    """Reads the code of a thread: `rows` are its lines, `handler` those of its handler."""

    head: Head
    number: int
    rows: list[str]
    handler: list[str]
    constants: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.where = f"{self.head.where}: thread {self.number}"
        written = set(self._written())
        for (thread, name), value in self.head.registers.items():
            if thread == self.number and name not in written:
                self.constants[name] = value

    def code(self, rows: list[str]) -> list[Words]:
        """The words of these lines."""
        return [words for row in rows for words in self._line(row)]

    def _written(self) -> Iterator[str]:
        """The registers that an instruction may write: the first operand, but for stores and branches, and the second
        of an atomic that loads."""
        for row in (*self.rows, *self.handler):
            word, operands = _split(_label(row)[1])
            atomic = ATOMIC.fullmatch(word)
            if word in STORES or word in ("CMP", "CBZ", "CBNZ", "TLBI", "DMB", "DSB", "DC", "MSR") or word[:1] == "B":
                continue
            at = 1 if atomic and not atomic[1].startswith(("CAS", "ST")) else 0
            if len(operands) > at and re.fullmatch(r"[XWxw]\w+", operands[at]):
                yield register(self.where, operands[at])

    def _line(self, row: str) -> Iterator[Words]:
        label, text = _label(row)
        if label:
            yield ["label", label]
        if not text:
            return
        word, operands = _split(text)
        try:
            words = self._instruction(word, operands)
        except (IndexError, KeyError, ValueError):
            words = None
        if words is None:
            raise FileError(f"{self.where}: not an instruction that is read: {text!r:.60}")
        yield from words

    def _instruction(self, word: str, given: list[str]) -> list[Words] | None:
        if word in LOADS:
            return [_without_last(["R", self._to(given[0]), self._address(given[1]), LOADS[word]])]
        if word in STORES:
            return [_without_last(["W", self._address(given[1]), self._value(given[0]), STORES[word]])]
        if word in EXCLUSIVE:
            status = register(self.where, given[0]) or None
            return [_without_last(["STX", status, self._address(given[2]), self._value(given[1]), EXCLUSIVE[word]])]
        if found := ATOMIC.fullmatch(word):
            return [_without_last([*self._atomic(found[1], given), (found[2] or "").lower()])]
        if word in ALU:
            return [["ALU", self._to(given[0]), word.lower(), *map(self._value, given[1:3])]]
        if word in ("MOV", "MOVZ"):
            return [["MOV", self._to(given[0]), self._value(given[1])]]
        if word in ("CBZ", "CBNZ"):
            return [[word, self._value(given[0]), given[1]]]
        if word.replace(".", "") in ("BEQ", "BNE"):
            return [["BCC", word[-2:].lower(), given[0]]]
        if word == "TLBI":
            return [["TLBI", given[0].lower(), *([self._page(given[1])] if given[1:] else [])]]
        return _OTHERS[word](self, given) if word in _OTHERS else None

    def _atomic(self, word: str, given: list[str]) -> Words:
        """An atomic without its ordering."""
        if word == "SWP":
            return ["SWP", register(self.where, given[1]) or 0, self._address(given[2]), self._value(given[0])]
        if word == "CAS":
            at, expected = self._address(given[2]), register(self.where, given[0])
            return ["CAS", expected or 0, at, self._value(given[0]), self._value(given[1])]
        result = register(self.where, given[1]) or None if word.startswith("LD") else None
        return ["LDOP", word[2:].lower(), result, self._address(given[-1]), self._value(given[0])]

    def _to(self, name: str) -> str:
        return register(self.where, name) or "XZR"

    def _value(self, text: str) -> Any:
        """A number, or what a register holds."""
        if text.startswith("#"):
            return self.head.value(text[1:])
        name = register(self.where, text)
        return self.constants.get(name, name) if name else 0

    def _address(self, text: str) -> Any:
        found = ADDRESS.fullmatch(text)
        if found is None:
            raise FileError(f"{self.where}: not an address that is read: {text!r:.40}; expected [Xn] or [Xn,Xm]")
        base = self._value(found[1])
        index = self._value(found[2]) if found[2] else None
        if isinstance(base, dict) and isinstance(index, str):
            return {"base": base["&"], "idx": index}
        if isinstance(base, dict):
            return base["&"]
        return {"reg": base, "idx": index} if isinstance(index, str) else {"reg": base}

    def _page(self, text: str) -> Any:
        """The operand of a TLBI."""
        held = self._value(text)
        return {"page_of": held} if isinstance(held, str) else held["&"]


_OTHERS: dict[str, Callable[[_Thread, list[str]], list[Words]]] = {
    "CMP": lambda t, x: [["CMP", t._value(x[0]), t._value(x[1])]],
    "CSEL": lambda t, x: [["CSEL", t._to(x[0]), t._value(x[1]), t._value(x[2]), x[3].lower()]],
    "CSET": lambda t, x: [["CSEL", t._to(x[0]), 1, 0, x[1].lower()]],
    "B": lambda t, x: [["B", x[0]]],
    "DMB": lambda t, x: [["DMB", x[0].lower()]],
    "DSB": lambda t, x: [["DSB", (x or ["SY"])[0].lower()]],
    "ISB": lambda t, x: [["ISB"]],
    "NOP": lambda t, x: [],
    "DC": lambda t, x: [],
    "ADR": lambda t, x: [["ADR", t._to(x[0]), x[1]]],
    "MSR": lambda t, x: {"ELR_EL1": [["SETRET", t._value(x[1])]]}[x[0]],
    "ERET": lambda t, x: [["RETURN"]],
}
"""The other instructions."""


def _without_last(words: Words) -> Words:
    """`words`, without an ordering that is none."""
    return words if words[-1] else words[:-1]


def _label(row: str) -> tuple[str, str]:
    found = re.fullmatch(r"(?:([A-Za-z_]\w*)\s*:)?\s*(.*)", row, re.S)
    assert found is not None
    return found[1] or "", found[2].strip()


def _split(text: str) -> tuple[str, list[str]]:
    """The word of an instruction and its operands, an address in brackets as one."""
    word, _, rest = text.partition(" ")
    return word.upper(), [x.strip() for x in re.findall(r"\[[^\]]*\]|[^,\[\]]+", re.sub(r"\s+", "", rest))]
