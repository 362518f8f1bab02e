"""Files of litmus tests: one JSON object per line, gzip or plain.

Data types
    LitmusTest  a test as read: what its source says, and how to make a program of it
    Expected    a published verdict: with which extension, and by whom
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.memory_model.program import LEVELS, Cell, Program, Register, entry_cell
from core.memory_model.values import INVALID, Descriptor, TableDescriptor, Value
from core.truth.lines import FileError, json_object, read_lines
from core.truth.litmus import herd7_plain, herd7_read
from core.truth.litmus.assembly import Assembler
from core.truth.litmus.condition import Condition, Place, parse, parse_place, parse_value, places
from core.truth.litmus.hardware import Decoder

FIELDS = {
    "id": str,
    "threads": [list],
    "init": {"mem": dict, "pte?": dict, "pmd?": dict, "pud?": dict, "under?": dict, "regs?": dict},
    "condition": list,
    "expected?": str,
    "expected_ets2?": str,
    "expected_ets3?": str,
    "features?": [str],
    "tier?": int,
    "handlers?": dict,
    "on_fault?": dict,
    "fault_mode?": str,
    "hw?": [str],
    "el0?": [int],
    "hw_evidence?": str,
    "observe?": [list],
    "outcomes?": [list],
    "lkmm_states?": {"of": [list], "values": [list]},
    "finals?": object,
    "filter?": list,
    "locks?": [str],
    "race?": bool,
    "bbm_flag?": bool,
}
EXPECTED = ("allowed", "forbidden", "required", "deadlock")
MOST_THREADS = 8


@dataclass(frozen=True)
class Outcomes:
    """All final values of `places` that the source allows."""

    places: tuple[Place, ...]
    rows: frozenset[tuple[Value, ...]]


@dataclass(frozen=True)
class LitmusTest:
    """One test.

    `notation` is 'armv8', 'riscv', 'x86', 'power' or 'kernel'.  `expected` are the verdicts by extension: '' without
    any, 'ets2', 'ets3'.  `outcomes` are all that the source allows, None if it does not say.  `evidence` is what
    machines showed ('seen', 'not-seen' ...; '' unknown).  `filter` is a condition without which an execution does not
    count. `flag` says whether some execution breaks break-before-make (None: not said)."""

    where: str
    id: str
    notation: str
    raw: Mapping[str, Any]
    condition: Condition
    expected: Mapping[str, str]
    outcomes: Outcomes | None
    filter: Condition | None
    evidence: str
    tier: int
    features: frozenset[str]
    flag: bool | None

    @property
    def vacuous(self) -> bool:
        """Whether no machine at all could reach the condition, so that the test says nothing."""
        return "vacuous" in self.features

    @property
    def asked(self) -> frozenset[tuple[int, Register]]:
        """The registers that conditions and outcomes name."""
        named = list(places(self.condition))
        named += self.outcomes.places if self.outcomes else ()
        named += places(self.filter) if self.filter else ()
        return frozenset((thread, register) for _, thread, register in (x for x in named if len(x) == 3))


READERS = ((herd7_read.is_herd7, herd7_read.raw_of), (herd7_plain.is_plain, herd7_plain.raw_of))
"""Whether a text is a test of herd7, and how it is read."""


def read_tests(path: Path) -> Iterator[LitmusTest]:
    """The tests of a file: one per line, or one of herd7.  FileError, which names file and line, for a damaged one."""
    for where, text in test_texts(path):
        yield read_test(where, text)


def test_texts(path: Path) -> Iterator[tuple[str, str]]:
    """The text of each test of a file, with its place.  FileError if the file cannot be read."""
    lines = read_lines(path)
    for where, line in lines:
        if any(is_one(line) for is_one, _ in READERS):
            yield str(path), "".join([line, *(line for _, line in lines)])
        else:
            yield where, line


def read_test(where: str, text: str) -> LitmusTest:
    """One test, a line or a text of herd7.  FileError, located by `where`, if it is none."""
    read = next((raw_of for is_one, raw_of in READERS if is_one(text)), None)
    return parse_test(where, text if read is None else json.dumps(read(where, text)))


def parse_test(where: str, line: str) -> LitmusTest:
    """One line.  FileError, located by `where`, if it is no test."""
    raw = json_object(where, line, FIELDS)
    expected = {name.removeprefix("expected").strip("_"): raw[name] for name in raw if name in VERDICTS and raw[name]}
    for verdict in expected.values():
        if verdict not in EXPECTED:
            raise FileError(f"{where}: unknown verdict {verdict!r}, expected one of {', '.join(EXPECTED)}")
    if not 0 < len(raw["threads"]) <= MOST_THREADS:
        raise FileError(f"{where}: {len(raw['threads'])} threads, expected 1 to {MOST_THREADS}")
    return LitmusTest(
        where,
        raw["id"],
        notation(raw),
        raw,
        parse(where, raw["condition"]),
        expected,
        _outcomes(where, raw),
        parse(where, raw["filter"]) if raw.get("filter") else None,
        raw.get("hw_evidence") or "",
        raw.get("tier") or 1,
        frozenset(raw.get("features") or ()) | ({"race"} if raw.get("race") else set()),
        raw.get("bbm_flag"),
    )


VERDICTS = ("expected", "expected_ets2", "expected_ets3")
WORDS_OF = {
    "riscv": {"FENCE", "FENCEI"},
    "x86": {"MFENCE", "LFENCE", "SFENCE"},
    "power": {"SYNC", "LWSYNC", "EIEIO", "ISYNC"},
    "kernel": {"F", "LOCK", "UNLOCK", "TRYLOCK", "ISLOCKED", "RCU", "SRCU", "ADDUNLESS"},
    "armv8": {"DMB", "DSB", "ISB", "TLBI", "Wpte", "Rpte"},
}
KEYS_OF = {"kernel": ("locks", "lkmm_states"), "power": ("runs", "shape"), "armv8": ("hw", "el0")}


def notation(raw: Mapping[str, Any]) -> str:
    """In which notation a test is written: by its words, by the fields that only one set has, or by its id."""
    words = {x[0] for thread in raw["threads"] for x in thread if isinstance(x, list) and x and isinstance(x[0], str)}
    for name, own in WORDS_OF.items():
        if words & own:
            return name
    for name, keys in KEYS_OF.items():
        if any(key in raw for key in keys):
            return name
    return next((name for name in WORDS_OF if name in raw["id"].lower()), "armv8")


def _outcomes(where: str, raw: Mapping[str, Any]) -> Outcomes | None:
    """The published set of outcomes, where there is one over plain places."""
    if raw.get("outcomes") is not None and raw.get("observe") is not None:
        named, rows = raw["observe"], raw["outcomes"]
    elif raw.get("lkmm_states"):
        named, rows = raw["lkmm_states"]["of"], raw["lkmm_states"]["values"]
    elif isinstance(raw.get("finals"), dict):
        named, rows = raw["finals"]["places"], raw["finals"]["rows"]
    else:
        return None
    if any(len(row) != len(named) for row in rows):
        raise FileError(f"{where}: an outcome does not have {len(named)} values")
    values = frozenset(tuple(parse_value(where, x) for x in row) for row in rows)
    return Outcomes(tuple(parse_place(where, x) for x in named), values)


# -- programs


def program_of(test: LitmusTest) -> Program:
    """The program of a test in a hardware notation.  FileError for an instruction or value that is none."""
    raw, where = test.raw, test.where
    entries = _entries(test)
    above = _above(test, entries)
    translated = _is_translated(test, entries)
    decoder = Decoder(where, translated)
    handlers = raw.get("handlers") or {}
    threads = []
    for i, words in enumerate(raw["threads"]):
        to = Assembler(f"{where}: thread {i}")
        for word in words:
            decoder.decode(to, word)
        to.end()
        if str(i) in handlers:
            to.start_handler()
            for word in handlers[str(i)]:
                decoder.decode(to, word)
            to.end()
        threads.append(to.code())
    for key in ("hw", "el0"):
        _check_threads(where, key, raw, len(threads))
    hardware = tuple(frozenset(x.split()) for x in raw.get("hw") or [""] * len(threads))
    return Program(
        tuple(threads),
        cells_of(test, entries if translated else {}),
        registers_of(test),
        hardware,
        frozenset(raw.get("el0") or ()),
        raw.get("fault_mode") == "retry",
        {
            int(i): {r: parse_value(where, x) for r, x in y["set"].items()}
            for i, y in (raw.get("on_fault") or {}).items()
        },
        test.asked,
        test.flag is not None,
        above if translated else {},
    )


def _entries(test: LitmusTest) -> dict[Cell, Value]:
    """The entries of all levels that the file gives, by their cells.  FileError for one that is none."""
    init, entries = test.raw["init"], {}
    for level in LEVELS:
        for page, x in (init.get(level) or {}).items():
            entries[entry_cell(page, level)] = entry = parse_value(f"{test.where}: init.{level}", x)
            if not isinstance(entry, Descriptor | TableDescriptor) and entry != INVALID:
                raise FileError(f"{test.where}: init.{level}: not an entry: {x!r:.60}; expected one, a table or 0")
            if isinstance(entry, TableDescriptor) and level == LEVELS[-1]:
                raise FileError(f"{test.where}: init.pte: {page!r} is a table; expected a page, or 0")
    return entries


def _above(test: LitmusTest, entries: Mapping[Cell, Value]) -> dict[str, tuple[Cell, ...]]:
    """Per page the entries above its own, from the top: those that the file gives for it, or for the page that
    `init.under` names.  FileError for one that names none."""
    under = test.raw["init"].get("under") or {}
    pages = [x.removeprefix("pte:") for x in entries if x.startswith("pte:") and "@" not in x]
    for page, first in under.items():
        if page not in pages or not any(entry_cell(str(first), x) in entries for x in LEVELS[:-1]):
            raise FileError(
                f"{test.where}: init.under: {page!r} and {first!r}: expected two pages, the second in init.pmd"
            )
    above = {}
    for page in pages:
        cells = [entry_cell(x, level) for level in LEVELS[:-1] for x in (page, under.get(page, page))]
        found = {cell[:4]: cell for cell in reversed(cells) if cell in entries}
        if found:
            above[page] = tuple(found[level] for level in ("pud:", "pmd:") if level in found)
    return above


def _check_threads(where: str, key: str, raw: Mapping[str, Any], number: int) -> None:
    """FileError if `hw` is not a string per thread, or `el0` names a thread that there is not."""
    given = raw.get(key) or ()
    if (key == "hw" and given and len(given) != number) or (key == "el0" and any(not 0 <= x < number for x in given)):
        raise FileError(f"{where}: key {key!r} does not fit {number} threads: {given!r:.60}")


def _is_translated(test: LitmusTest, entries: Mapping[str, Value]) -> bool:
    """Whether the test can tell that accesses walk: something else than the identity, or something that touches it."""
    if any(x != Descriptor(cell.removeprefix("pte:"), 1, 1, 1, 0, 1) for cell, x in entries.items()):
        return True
    raw = test.raw
    if any(raw.get("hw") or ()) or raw.get("el0") or any(x[0] in LEVELS for x in places(test.condition)):
        return True
    text = json.dumps([raw["threads"], raw["init"].get("regs"), raw.get("handlers")])
    return bool(entries) and any(word in text for word in ('pte"', '"TLBI"', '"pte:'))


def cells_of(test: LitmusTest, entries: Mapping[str, Value] = {}) -> dict[Cell, Value]:
    """The cells with their initial values: those that the file gives, and those that something names, with 0."""
    where = test.where
    memory = {cell: parse_value(where, x) for cell, x in test.raw["init"]["mem"].items()}
    for cell, entry in entries.items():
        memory[cell] = entry
        if isinstance(entry, Descriptor) and entry.oa is not None:
            memory.setdefault(entry.oa, 0)
    if not entries:
        for cell in _named(test.raw["threads"]):
            memory.setdefault(cell, 0)
        for place in places(test.condition):
            if place[0] == "mem" and isinstance(place[1], str):
                memory.setdefault(place[1], 0)
    return memory


def _named(threads: list[Any]) -> Iterator[Cell]:
    """The cells that instructions without translation name."""
    for thread in threads:
        for words in thread:
            for word in words[1:]:
                if isinstance(word, dict) and isinstance(word.get("&"), str):
                    yield word["&"]
                if isinstance(word, dict) and isinstance(word.get("base"), str):
                    yield word["base"]
            address = {"W": 1, "R": 2, "STX": 2, "SWP": 2, "CAS": 2, "LDOP": 3, "ADDUNLESS": 2}.get(words[0])
            if address is not None and len(words) > address and isinstance(words[address], str):
                yield words[address]


def registers_of(test: LitmusTest) -> dict[tuple[int, Register], Value]:
    """The initial values of registers.  FileError for one that is none."""
    where, raw = test.where, test.raw
    registers: dict[tuple[int, Register], Value] = {}
    for name, value in (raw["init"].get("regs") or {}).items():
        thread, _, register = name.partition(":")
        if not thread.isdigit() or int(thread) >= len(raw["threads"]) or not register:
            raise FileError(f"{where}: init.regs: not a register: {name!r}; expected THREAD:NAME")
        registers[int(thread), register] = parse_value(where, value)
    return registers
