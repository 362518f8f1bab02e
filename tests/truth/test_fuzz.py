"""Damaged files of every kind: never a traceback, and what cannot be read is said in one line with the file's name.

The damage is random from a fixed seed: lines lost, doubled, exchanged and cut, numbers and values of other types and
sizes, keys gone, files cut short.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from core.compare import main

DATA = Path(__file__).parent.parent / "data"
NUMBERS = (
    "0",
    "1",
    "-1",
    "18446744073709551615",
    "0x7fffffffff000",
    "0x10000000000000",
    "9" * 5000,
    "zz",
    "",
    "٣",
    "4",
)
CODES = (
    "munmap>",
    "munmap<",
    "madvise>",
    "mremap>",
    "mremap<",
    "brk<",
    "new",
    "exit",
    "mmgone",
    "exec",
    "R",
    "I",
    "fly",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    float("inf"),
    "",
    "x",
    [],
    {},
    [[]],
    [[10**12, [["a", 10**9]]]],
    [[1, [["a", -1]]]],
)

Damage = Callable[[Random, str], str]


def lines_of(name: str) -> list[str]:
    return gzip.decompress((DATA / name).read_bytes()).decode().splitlines()


def damage_event(random: Random, line: str) -> str:
    """One line of a recording."""
    parts = line.split("\t")
    choice = random.randrange(6)
    if choice == 0 or len(parts) < 5:
        return line[: random.randrange(len(line) + 1)]
    if choice == 1:
        parts[random.randrange(3)] = random.choice(NUMBERS)
    elif choice == 2:
        parts[3] = random.choice(CODES)
        parts[4] = " ".join([*parts[4].split(), "1", "2", "0x3000", "4", "5", "6"])
    elif choice == 3:
        return "# lost 7 events"
    else:
        args = parts[4].split() or [""]
        args[random.randrange(len(args))] = random.choice(NUMBERS)
        parts[4] = " ".join(args)
    return "\t".join(parts)


def damage_object(random: Random, line: str) -> str:
    """One JSON object: a value somewhere in it, or a key, or the text."""
    row = json.loads(line)
    inside, key = row, random.choice(list(row))
    while isinstance(inside[key], list | dict) and inside[key] and random.random() < 0.7:
        inside = inside[key]
        key = random.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
    if isinstance(inside, dict) and random.random() < 0.3:
        del inside[key]
    else:
        inside[key] = random.choice(VALUES)
    text = json.dumps(row)
    return random.choice(
        [*[text] * 20, text[: random.randrange(len(text))], "[" * 100_000, '{"id": ' + "9" * 5000 + "}"]
    )


def damaged(random: Random, lines: list[str], damage: Damage) -> bytes:
    lines = [damage(random, line) if random.random() < 1.5 / len(lines) else line for line in lines]
    for _ in range(random.randint(0, 2)):
        at, other = random.randrange(len(lines)), random.randrange(len(lines))
        choice = random.randrange(3)
        if choice == 0:
            lines.insert(other, lines[at])
        elif choice == 1:
            lines[at], lines[other] = lines[other], lines[at]
        elif len(lines) > 1:
            del lines[at]
    packed = gzip.compress("\n".join(lines).encode(), 1)
    return packed[: random.randrange(len(packed))] if random.random() < 0.1 else packed


def small(lines: list[str]) -> list[str]:
    """The shortest lines: files to be read whole in no time."""
    return sorted(lines, key=len)[:40]


CASES: dict[str, tuple[str, str, Damage, int, int]] = {
    "recording": ("replay", "recording_py_import.tsv.gz", damage_event, 60, 30),
    "measured": ("measured", "measured_public.jsonl.gz", damage_object, 2, 80),
    "order": ("measured", "order_public.jsonl.gz", damage_object, 2, 40),
    "emulated": ("measured", "emulated_public.jsonl.gz", damage_object, 2, 40),
    "golden": ("golden", "golden_public.jsonl.gz", damage_object, 2, 80),
}
"""The command, the sound file, the damage, how many lines to take, and how often."""


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, file, damage, take, times = CASES[name]
    random = Random(name)
    lines = lines_of(file)
    lines = lines if command == "replay" else small(lines)
    extra = ["--arch", "smp-6.12"] if command == "replay" else []
    path, refused = tmp_path / "damaged.gz", 0
    for _ in range(times):
        first = random.randrange(len(lines) - take)
        path.write_bytes(damaged(random, lines[first : first + take], damage))
        status = main([command, str(path), *extra])
        said = capsys.readouterr()
        assert not re.search("TypeError|KeyError|IndexError|AttributeError|Traceback", said.out)
        if status == 2:
            refused += 1
            assert said.err.count("\n") == 1
            assert str(path) in said.err
        else:
            assert status in (0, 1)
            assert said.err == ""
    assert times // 5 < refused < times, "the damage is neither too small nor too large"


def test_empty_and_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.gz"
    empty.write_bytes(b"")
    for command in ("replay", "measured", "golden"):
        for path, expected in ((empty, "empty, expected at least one line"), (tmp_path / "none", "no such file")):
            assert main([command, str(path)]) == 2
            assert capsys.readouterr().err == f"shootdown: {path}: {expected}\n"


def test_a_range_that_no_process_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.tsv"
    path.write_text("0\t0\t1\tmunmap>\t0x1000 0x100000000000000\n1\t0\t1\tmunmap<\t0x0\n")
    assert main(["replay", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"shootdown: {path}, line 1: munmap>: beyond any address space, yet it succeeded\n"
    )
