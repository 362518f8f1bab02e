"""The format of recordings: what a whole program asked of mm, its page faults, and the flushes that the kernel made.

A line has microseconds, CPU, thread, code and arguments, separated by tabs.  Codes: `X>` and `X<`, entry and return of
system call X; pf and pk, a page fault from user and kernel mode (address, error code); new, a child (thread, clone
flags); exec; exit; mmgone, the mm is freed; I, a flush sent to other CPUs, and F, a flush done on this CPU (pages or
strides, 1 if under a page-table lock); R, the answer of a CPU that was asked: strides, 'lazy', or 'wrong' if it had
another mm loaded (TLB_REMOTE_WRONG_CPU).

Data types
    Event(line, time, cpu, tid, code, args)     one line
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.truth.lines import FileError, read_lines

ARGUMENTS = {
    "mmap>": 6,
    "munmap>": 2,
    "madvise>": 3,
    "mremap>": 3,
    "brk>": 1,
    "mprotect>": 3,
    "ftruncate>": 2,
    "exit_group>": 1,
    "mmap<": 1,
    "munmap<": 1,
    "madvise<": 1,
    "mremap<": 1,
    "brk<": 1,
    "mprotect<": 1,
    "pf": 2,
    "pk": 2,
    "new": 2,
    "exec": 0,
    "exit": 0,
    "mmgone": 0,
    "I": 2,
    "F": 2,
    "R": 1,
}
"""The least number of arguments of each code."""

DECIMAL = re.compile(r"-?[0-9]{1,19}")
HEX = re.compile(r"(0x)?[0-9a-fA-F]{1,16}")
RESULT = re.compile(r"-?(0x)?[0-9a-fA-F]{1,16}")
ANSWER = re.compile(r"lazy|wrong|-?[0-9]{1,19}")
FLUSHES = frozenset({"I", "F"})
HEXADECIMAL = frozenset(code for code in ARGUMENTS if code.endswith((">", "<"))) | {"pf", "pk", "new"}


class Event(NamedTuple):
    """One line: its number, microseconds, CPU, thread, code, and the arguments as text and as numbers."""

    line: int
    time: int
    cpu: int
    tid: int
    code: str
    args: tuple[str, ...]
    numbers: tuple[int, ...]


def read_events(path: Path) -> Iterator[Event]:
    """The events of a recording. FileError at the first bad line, with file, line number and what was expected."""
    for number, (where, line) in enumerate(read_lines(path), 1):
        if not line.startswith("#"):
            yield _event(line.rstrip("\n").split("\t"), number, where)


def _event(parts: list[str], number: int, where: str) -> Event:
    if len(parts) != 5 or not all(DECIMAL.fullmatch(p) for p in parts[:3]):
        raise FileError(f"{where}: expected t_us, cpu, tid, code, args between tabs")
    code, args = parts[3], tuple(parts[4].split())
    if code not in ARGUMENTS:
        raise FileError(f"{where}: unknown code {code!r}; expected one of {', '.join(ARGUMENTS)}")
    if len(args) < ARGUMENTS[code]:
        raise FileError(f"{where}: {code}: expected {ARGUMENTS[code]} arguments, got {len(args)}")
    form = _FORMS.get(code)
    for place, arg in enumerate(args if form else ()):
        expected = DECIMAL if code == "new" and not place else form
        if expected is not None and not expected.fullmatch(arg):
            raise FileError(f"{where}: {code}: expected numbers, got {' '.join(args)!r:.60}")
    return Event(number, int(parts[0]), int(parts[1]), int(parts[2]), code, args, _numbers(code, args))


_FORMS = {code: RESULT if code.endswith("<") else HEX for code in HEXADECIMAL}
_FORMS |= {"I": DECIMAL, "F": DECIMAL, "R": ANSWER}


def _numbers(code: str, args: tuple[str, ...]) -> tuple[int, ...]:
    if code in FLUSHES:
        return tuple(map(int, args))
    if code == "new":
        return int(args[0]), int(args[1], 16)
    return tuple(int(a, 16) for a in args) if code in HEXADECIMAL else ()


def lost_events(path: Path) -> int:
    """The number of events lost while `path` was recorded: `overrun` in meta.jsonl beside it; 0 without that file.

    FileError if meta.jsonl is damaged.
    """
    meta = path.parent / "meta.jsonl"
    name = path.name.removesuffix(".gz").removesuffix(".tsv")
    try:
        lines = meta.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{meta}: {error}") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if row["name"] == name:
                return sum(int(n) for n in row.get("overrun", {}).values())
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
            raise FileError(f"{meta}, line {number}: expected an object with name and overrun: {error!r}") from None
    return 0
