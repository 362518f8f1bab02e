"""Files of ground truth: lines of text, gzip or plain. What is wrong with one is said with file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any


class FileError(Exception):
    """A file that cannot be read as what it should be: names file, line and what was expected."""


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


def json_object(where: str, line: str, fields: Mapping[str, type]) -> dict[str, Any]:
    """The line's object, which has `fields` of these types. FileError, with `where`, if it is none."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise FileError(f"{where}: not JSON: {error}") from None
    if not isinstance(row, dict):
        raise FileError(f"{where}: expected one JSON object")
    for key, kind in fields.items():
        if key not in row:
            raise FileError(f"{where}: key {key!r} is missing")
        if not isinstance(row[key], kind):
            raise FileError(f"{where}: key {key!r} should be {kind.__name__}, is {row[key]!r:.60}")
    return row
