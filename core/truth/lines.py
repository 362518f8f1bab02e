"""Files of ground truth: lines of text, gzip or plain.  Errors name file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any


class FileError(Exception):
    """An invalid file; the message names file, line and what was expected."""


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line with its place, "FILE, line N". FileError if the file is missing, empty, damaged or truncated."""
    number = 0
    try:
        with _open(path) as lines:
            for number, line in enumerate(lines, 1):
                yield f"{path}, line {number}", line
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except (EOFError, zlib.error, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise FileError(f"{path}: damaged or truncated after line {number}: {error}") from None
    except OSError as error:
        raise FileError(f"{path}: {error}") from None
    if not number:
        raise FileError(f"{path}: empty, expected at least one line")


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8")


MOST_PAGES = 1 << 22
"""A case of more pages is refused: each is a cell of its own."""

Shape = Any
"""What a value must be: a type (or several, `int | None`), [shape] for a list of any length, a tuple for a list of
these, or a dictionary of keys; one that ends in a question mark may be missing or null."""


def json_object(where: str, line: str, fields: Mapping[str, Shape]) -> dict[str, Any]:
    """The line's object, with `fields` of these shapes. FileError, located by `where`, if it is not one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise FileError(f"{where}: expected one JSON object")
    _check(where, "", row, fields)
    return row


def check_pages(where: str, runs: Iterable[int]) -> None:
    """FileError if runs of this many pages cannot be laid out."""
    pages = 0
    for nr in runs:
        pages += nr
        if nr < 0 or pages > MOST_PAGES:
            raise FileError(f"{where}: a run of {nr} pages; expected none below 0 and at most {MOST_PAGES} in all")


def _check(where: str, place: str, value: Any, shape: Shape) -> None:
    if isinstance(shape, Mapping):
        _expect(where, place, value, dict)
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if value.get(name) is None and name != key:
                continue
            inside = f"{place}.{name}" if place else name
            if name not in value:
                raise FileError(f"{where}: key {inside!r} is missing")
            _check(where, inside, value[name], inner)
    elif isinstance(shape, list | tuple):
        _expect(where, place, value, list)
        if isinstance(shape, tuple) and len(value) != len(shape):
            raise FileError(f"{where}: key {place!r} should have {len(shape)} values, is {value!r:.60}")
        shapes = shape if isinstance(shape, tuple) else shape * len(value)
        for at, (item, inner) in enumerate(zip(value, shapes, strict=True)):
            _check(where, f"{place}[{at}]", item, inner)
    else:
        _expect(where, place, value, shape)


def _expect(where: str, place: str, value: Any, kind: Any) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        name = getattr(kind, "__name__", str(kind))
        raise FileError(f"{where}: key {place!r} should be {name}, is {value!r:.60}")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise FileError(f"{where}: key {place!r} is out of range: a number of {value.bit_length()} bits")
