"""Damaged inputs: sound files with something in them replaced, by a seed.

Two kinds of damage.  To the text: a piece cut out, doubled, moved, or replaced by bytes that no text has.  To a value:
a string, number, or list of the file becomes one that nobody expects: of another type, too large, nested too deep.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

HUGE = "1" + "0" * 400
DEEP = 3000

VALUES = (
    "0",
    "-1",
    "1",
    "0x" + "f" * 40,
    str(2**63),
    str(2**64),
    str(10**12),
    str(10**18),
    HUGE,
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1.5",
    "true",
    "null",
    '""',
    '"\\u0000"',
    '"\\u001b[2J"',
    '"\\ud800"',
    '"a|b<c>"',
    '"/dev/full"',
    '"..:.."',
    '"nowhere.py:Nothing"',
    "[]",
    "[[]]",
    "{}",
    '["a", 1]',
    "[" * DEEP + "]" * DEEP,
    "1979-05-27T07:32:00Z",
    "3.0e",
    "'",
)
"""What a value is replaced by; some are JSON only, some TOML only, some neither."""

VALUE = re.compile(r'"[^"\n]*"|-?\d+(?:\.\d+)?|\[[^\[\]\n]*\]|\{[^{}\n]*\}|\btrue\b|\bfalse\b|\bnull\b')
BYTES = (b"\x00", b"\xff\xfe", b"\x1b[2J", b"\xed\xa0\x80", b"\xc0", b"\r", b"\xe2\x80\xa8", b"=" * 50, b"[" * DEEP)


def damaged(sound: bytes, draw: random.Random) -> bytes:
    """`sound` with one to three pieces of damage."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        sound = draw.choice(WAYS)(sound, draw)
    return sound


def _value(sound: bytes, draw: random.Random) -> bytes:
    text = sound.decode("utf-8", "surrogateescape")
    places = list(VALUE.finditer(text))
    if not places:
        return sound
    place = draw.choice(places)
    text = text[: place.start()] + draw.choice(VALUES) + text[place.end() :]
    return text.encode("utf-8", "surrogateescape")


def _key(sound: bytes, draw: random.Random) -> bytes:
    """Another name where one stands."""
    places = list(re.finditer(rb"[A-Za-z_][\w-]*", sound))
    if not places:
        return sound
    place, other = draw.choice(places), draw.choice(places)
    name = draw.choice((other.group(), b"", b"x", place.group() * 2))
    return sound[: place.start()] + name + sound[place.end() :]


def _span(sound: bytes, draw: random.Random) -> tuple[int, int]:
    first = draw.randrange(len(sound) + 1)
    return first, min(len(sound), first + draw.choice((1, 3, 20, 200)))


def _cut(sound: bytes, draw: random.Random) -> bytes:
    first, last = _span(sound, draw)
    return sound[:first] + sound[last:]


def _end(sound: bytes, draw: random.Random) -> bytes:
    return sound[: draw.randrange(len(sound) + 1)]


def _doubled(sound: bytes, draw: random.Random) -> bytes:
    first, last = _span(sound, draw)
    return sound[:last] + sound[first:]


def _moved(sound: bytes, draw: random.Random) -> bytes:
    first, last = _span(sound, draw)
    piece, rest = sound[first:last], sound[:first] + sound[last:]
    at = draw.randrange(len(rest) + 1)
    return rest[:at] + piece + rest[at:]


def _bytes(sound: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(sound) + 1)
    return sound[:at] + draw.choice(BYTES) + sound[at + draw.choice((0, 1, 4)) :]


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _value, _value, _value, _value, _key, _key, _cut, _end, _doubled, _moved, _bytes
)  # fmt: skip
"""Ways of damage; a value is the most likely, because what reads it comes after the parser."""
