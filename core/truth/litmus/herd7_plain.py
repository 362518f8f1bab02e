"""Litmus tests of RISC-V and x86 as herd7 reads them, written and read back: cells without translation.

    RISCV NAME                               X86 NAME
    { pte_0=f0; f0=0; 0:x5=pte_0; }          { pte_0=f0; f0=0; }
     P0          | P1             ;           P0             | P1             ;
     ld x6,0(x5) | amoswap.d ...  ;           MOV EAX,[pte_0] | XCHG [f0],EAX ;
    ~exists (1:x9=1 /\\ 0:x7=1)               ~exists (1:ESI=1 /\\ 0:EBX=1)

What is read is what `text_of` writes, and no more: loads, stores, exchanges, fences, branches to labels, and one
condition of equalities, /\\ and \\/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from core.truth.lines import FileError
from core.truth.litmus.from_scenario import DoesNotFit

Words = list[Any]
REGISTERS = {
    "RISCV": [f"x{n}" for n in (*range(5, 32), 1, 2, 3, 4)],
    "X86": ["EAX", "EBX", "ECX", "EDX", "ESI", "EDI"],
}
NAMES = {"riscv": "RISCV", "x86": "X86"}


def text_of(raw: Mapping[str, Any], architecture: str) -> str:
    """A test in the format of the files, as one of herd7: the expected verdict is the quantifier.

    DoesNotFit if a thread needs more registers than there are.
    """
    name, memory = NAMES[architecture], raw["init"]["mem"]
    pointers = frozenset(cell for cell, value in memory.items() if isinstance(value, dict))
    columns = [_COLUMNS[name](number, words, pointers) for number, words in enumerate(raw["threads"])]
    head = [" " + " ".join(f"{cell}={_initial(value)};" for cell, value in memory.items())]
    head += [" " + " ".join(f"{c.thread}:{at}={what};" for what, at in c.held.items()) for c in columns if c.held]
    how = "exists" if raw["expected"] == "allowed" else "~exists"
    table = _table([[f"P{column.thread}", *column.lines] for column in columns])
    return "\n".join([f"{name} {raw['id']}", "{", *head, "}", *table, f"{how} {_shown(raw['condition'], columns)}", ""])


def _initial(value: Any) -> str:
    return str(value["&"] if isinstance(value, dict) else value)


def _table(columns: list[list[str]]) -> Iterator[str]:
    rows = list(zip_longest(*columns, fillvalue=""))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield " " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, wide, strict=True)) + " ;"


def _shown(given: Words, columns: list[_Column]) -> str:
    match given:
        case ["eq", ["reg", thread, register], value]:
            return f"{thread}:{columns[thread].register(register)}={value}"
        case ["eq", ["mem", cell], value]:
            return f"[{cell}]={value}"
        case [word, only]:
            return _shown(only, columns)
        case [word, *parts]:
            return "(" + {"and": " /\\ ", "or": " \\/ "}[word].join(_shown(part, columns) for part in parts) + ")"
    raise AssertionError(given)


@dataclass
class _Column:
    """The instructions of a thread. `given` are its registers by name, `held` those that the head sets, by what is in
    them; `pointers` are the cells that hold addresses."""

    name = ""
    thread: int
    words: list[Words]
    pointers: frozenset[str]
    lines: list[str] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for words in self.words:
            self.lines += [f"{words[1]}:"] if words[0] == "label" else self.instruction(words)

    def register(self, name: str) -> str:
        """The register of this name."""
        free = REGISTERS[self.name]
        if name not in self.given:
            if len(self.given) == len(free):
                raise DoesNotFit(f"thread {self.thread} needs more than {len(free)} registers")
            self.given[name] = free[len(self.given)]
        return self.given[name]

    def holding(self, what: str) -> str:
        """A register that holds an address or a number from the start."""
        self.held[what] = self.register(f"={what}")
        return self.held[what]

    def instruction(self, words: Words) -> list[str]:
        """The lines of one instruction."""
        raise NotImplementedError


class _Riscv(_Column):
    name = "RISCV"

    def value(self, given: Any) -> str:
        """The register that holds a value."""
        return "x0" if given == 0 else self.holding(_initial(given))

    def at(self, address: Any) -> tuple[str, str]:
        """The register that holds an address, and the letter of its access."""
        if isinstance(address, dict):
            return self.register(address["reg"]), "w"
        return self.holding(address), "d" if address in self.pointers else "w"

    def instruction(self, words: Words) -> list[str]:
        match words:
            case ["R", register, address]:
                at, size = self.at(address)
                return [f"l{size} {self.register(register)},0({at})"]
            case ["W", address, value]:
                at, size = self.at(address)
                return [f"s{size} {self.value(value)},0({at})"]
            case ["SWP", register, address, value, *kind]:
                at, size = self.at(address)
                return [f"amoswap.{size}{_suffix(kind)} {self._to(register)},{self.value(value)},({at})"]
            case ["LDOP", op, register, address, value, *kind]:
                at, size = self.at(address)
                word, operand = ("or", value) if op == "set" else ("and", ~value)
                return [f"amo{word}.{size}{_suffix(kind)} {self._to(register)},{self.value(operand)},({at})"]
            case ["FENCE", "tso"]:
                return ["fence.tso"]
            case ["FENCE", before, after]:
                return [f"fence {before},{after}"]
            case ["MOV", register, value]:
                return [f"ori {self.register(register)},x0,{value}"]
            case ["ALU", to, "eor", register, value]:
                return [f"xori {self.register(to)},{self.register(register)},{value}"]
            case ["CBZ" | "CBNZ", register, label]:
                return [f"{'beq' if words[0] == 'CBZ' else 'bne'} {self.register(register)},x0,{label}"]
            case ["B", label]:
                return [f"j {label}"]
        raise AssertionError(words)

    def _to(self, register: str | None) -> str:
        return "x0" if register is None else self.register(register)


def _suffix(kind: list[str]) -> str:
    return ".aq.rl" if kind == ["al"] else ""


class _X86(_Column):
    name = "X86"

    def at(self, address: Any) -> str:
        """An address."""
        return f"[{self.register(address['reg']) if isinstance(address, dict) else address}]"

    def value(self, given: Any) -> str:
        """A number, or the register that holds an address."""
        return self.holding(_initial(given)) if isinstance(given, dict) else f"${given}"

    def instruction(self, words: Words) -> list[str]:
        match words:
            case ["R", register, address]:
                return [f"MOV {self.register(register)},{self.at(address)}"]
            case ["W", address, value]:
                return [f"MOV {self.at(address)},{self.value(value)}"]
            case ["SWP", register, address, value, *_]:
                to = self.register(register or "t")
                return [f"MOV {to},{self.value(value)}", f"XCHG {self.at(address)},{to}"]
            case ["MFENCE"]:
                return ["MFENCE"]
            case ["MOV", register, value]:
                return [f"MOV {self.register(register)},${value}"]
            case ["ALU", to, "eor", register, value]:
                into = self.register(to)
                return [f"MOV {into},{self.register(register)}", f"XOR {into},${value}"]
            case ["CBZ" | "CBNZ", register, label]:
                return [f"CMP {self.register(register)},$0", f"{'JE' if words[0] == 'CBZ' else 'JNE'} {label}"]
            case ["B", label]:
                return [f"JMP {label}"]
        raise AssertionError(words)


_COLUMNS: dict[str, type[_Column]] = {"RISCV": _Riscv, "X86": _X86}

# ---- reading -------------------------------------------------------------------------------------------------

FORM = re.compile(
    r"(?P<name>RISCV|X86) (?P<id>\S+)\s*\{(?P<head>.*?)\}(?P<code>.*;)\s*(?P<how>~?exists)\s*(?P<what>\S.*?)\s*", re.S
)
TOKEN = re.compile(r"\s*(/\\|\\/|\(|\)|\[\w+\]=-?\d+|\d+:\w+=-?\d+)")


def is_plain(text: str) -> bool:
    """Is this a test of herd7 for RISC-V or x86?"""
    return text.startswith(("RISCV ", "X86 "))


def raw_of(where: str, text: str) -> dict[str, Any]:
    """The test in the format of the files.  FileError, located by `where`, for what is not read."""
    form = FORM.fullmatch(text)
    if form is None:
        raise FileError(f"{where}: expected RISCV or X86 NAME, {{ head }}, columns that end in ';', exists or ~exists")
    memory, held = _head(where, form["head"])
    rows = [[cell.strip() for cell in row.split("|")] for row in form["code"].split(";")[:-1]]
    if any(len(row) != len(rows[0]) for row in rows):
        raise FileError(f"{where}: a row of the table has not {len(rows[0])} columns")
    reader = _Instructions(where, form["name"], held)
    threads = [[reader.read(n, row[n]) for row in rows[1:] if row[n]] for n in range(len(rows[0]))]
    registers = {f"{n}:{at}": _value(what) for (n, at), what in held.items() if not reader.is_address(n, at)}
    return {
        "id": form["id"] if NAMES_BACK[form["name"]] in form["id"] else f"{NAMES_BACK[form['name']]}/{form['id']}",
        "tier": 1,
        "threads": threads,
        "init": {"mem": memory, "regs": registers},
        "condition": _condition(where, form["what"]),
        "expected": "allowed" if form["how"] == "exists" else "forbidden",
    }


NAMES_BACK = {name: architecture for architecture, name in NAMES.items()}


def _value(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?\d+", text) else {"&": text}


def _head(where: str, text: str) -> tuple[dict[str, Any], dict[tuple[int, str], str]]:
    """The cells, and what registers hold."""
    memory, held = dict[str, Any](), dict[tuple[int, str], str]()
    for item in filter(None, (x.strip() for x in text.split(";"))):
        if found := re.fullmatch(r"(\d+):(\w+)=(-?\w+)", item):
            held[int(found[1]), found[2]] = found[3]
        elif found := re.fullmatch(r"([A-Za-z_]\w*)=(-?\w+)", item):
            memory[found[1]] = _value(found[2])
        else:
            raise FileError(f"{where}: not read: {item!r:.80}")
    return memory, held


@dataclass
class _Instructions:
    """Reads the instructions of a test; `held` is what its head says of registers."""

    where: str
    name: str
    held: Mapping[tuple[int, str], str]
    addresses: set[tuple[int, str]] = field(default_factory=set)

    def is_address(self, thread: int, register: str) -> bool:
        """Is the register one that the head sets, and that is only an address of the code?"""
        return (thread, register) in self.addresses

    def read(self, thread: int, text: str) -> Words:
        """One instruction, or a label."""
        if found := re.fullmatch(r"(\w+):", text):
            return ["label", found[1]]
        for form, make in _FORMS[self.name].items():
            if found := re.fullmatch(form, text):
                return make(self, thread, found)
        raise FileError(f"{self.where}: thread {thread}: not an instruction that is read: {text!r:.60}")

    def at(self, thread: int, register: str) -> Any:
        """What an address in a register names: a cell, if the head says so."""
        what = self.held.get((thread, register))
        if what is None:
            return {"reg": register}
        self.addresses.add((thread, register))
        return what

    def value(self, thread: int, register: str) -> Any:
        """What is in a register."""
        return (
            0
            if register == "x0"
            else _value(self.held[thread, register])
            if (thread, register) in self.held
            else register
        )

    def amo(self, thread: int, found: re.Match[str]) -> Words:
        """An atomic operation of RISC-V."""
        word, kind, to, value = found[1], ["al"] if found[2] else [], found[3], self.value(thread, found[4])
        at, register = self.at(thread, found[5]), None if to == "x0" else to
        if word == "swap":
            return ["SWP", register, at, value, *kind]
        return ["LDOP", "set" if word == "or" else "clr", register, at, value if word == "or" else ~value, *kind]


Make = Callable[[_Instructions, int, re.Match[str]], Words]
_FORMS: dict[str, dict[str, Make]] = {
    "RISCV": {
        r"l[wd] (x\d+),0\((x\d+)\)": lambda i, t, m: ["R", m[1], i.at(t, m[2])],
        r"s[wd] (x\d+),0\((x\d+)\)": lambda i, t, m: ["W", i.at(t, m[2]), i.value(t, m[1])],
        r"amo(swap|or|and)\.[wd](\.aq\.rl)? (x\d+),(x\d+),\((x\d+)\)": _Instructions.amo,
        r"fence\.tso": lambda i, t, m: ["FENCE", "tso"],
        r"fence (r|w|rw),(r|w|rw)": lambda i, t, m: ["FENCE", m[1], m[2]],
        r"ori (x\d+),x0,(-?\d+)": lambda i, t, m: ["MOV", m[1], int(m[2])],
        r"xori (x\d+),(x\d+),(-?\d+)": lambda i, t, m: ["ALU", m[1], "eor", m[2], int(m[3])],
        r"beq (x\d+),x0,(\w+)": lambda i, t, m: ["CBZ", m[1], m[2]],
        r"bne (x\d+),x0,(\w+)": lambda i, t, m: ["CBNZ", m[1], m[2]],
        r"j (\w+)": lambda i, t, m: ["B", m[1]],
    },
    "X86": {
        r"MOV (E\w\w),\[(E[A-DS][XI])\]": lambda i, t, m: ["R", m[1], {"reg": m[2]}],
        r"MOV (E\w\w),\[(\w+)\]": lambda i, t, m: ["R", m[1], m[2]],
        r"MOV (E\w\w),\$(-?\d+)": lambda i, t, m: ["MOV", m[1], int(m[2])],
        r"MOV (E\w\w),(E\w\w)": lambda i, t, m: ["MOV", m[1], i.value(t, m[2])],
        r"MOV \[(E[A-DS][XI])\],\$(-?\d+)": lambda i, t, m: ["W", {"reg": m[1]}, int(m[2])],
        r"MOV \[(\w+)\],\$(-?\d+)": lambda i, t, m: ["W", m[1], int(m[2])],
        r"MOV \[(\w+)\],(E\w\w)": lambda i, t, m: ["W", m[1], i.value(t, m[2])],
        r"XCHG \[(\w+)\],(E\w\w)": lambda i, t, m: ["SWP", m[2], m[1], m[2]],
        r"XOR (E\w\w),\$(-?\d+)": lambda i, t, m: ["ALU", m[1], "eor", m[1], int(m[2])],
        r"MFENCE": lambda i, t, m: ["MFENCE"],
        r"CMP (E\w\w),\$(-?\d+)": lambda i, t, m: ["CMP", m[1], int(m[2])],
        r"J(E|NE) (\w+)": lambda i, t, m: ["BCC", m[1].lower().replace("e", "eq") if m[1] == "E" else "ne", m[2]],
        r"JMP (\w+)": lambda i, t, m: ["B", m[1]],
    },
}
"""By notation: the forms of instructions, and what they are."""


def _condition(where: str, text: str) -> Words:
    """A condition: equalities joined by /\\ and \\/, one kind inside each pair of brackets."""
    tokens, at = list[str](), 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise FileError(f"{where}: not a condition that is read: {text[at:]!r:.60}")
        tokens.append(found[1])
        at = found.end()
    left = iter((*tokens, ")"))
    parsed = _joined(where, left)
    if next(left, None) is not None:
        raise FileError(f"{where}: a bracket of the condition is closed and not opened")
    return parsed


def _joined(where: str, tokens: Iterator[str]) -> Words:
    """What stands up to the next closing bracket."""
    parts, joints = list[Words](), set[str]()
    for token in tokens:
        if token == ")":
            break
        if token in ("/\\", "\\/"):
            joints.add(token)
        else:
            parts.append(_joined(where, tokens) if token == "(" else _equality(token))
    else:
        raise FileError(f"{where}: a bracket of the condition is not closed")
    if len(joints) > 1 or not parts:
        raise FileError(f"{where}: a condition needs brackets around /\\ or \\/")
    return parts[0] if not joints else ["and" if joints == {"/\\"} else "or", *parts]


def _equality(text: str) -> Words:
    place, _, value = text.partition("=")
    if place.startswith("["):
        return ["eq", ["mem", place[1:-1]], int(value)]
    thread, _, register = place.partition(":")
    return ["eq", ["reg", int(thread), register], int(value)]
