"""Where each part of a global state lies in its words of 64 bits.

A field is a thread's local state or a cell's value, as a small number.  No field crosses a word boundary.  The highest
bit of a word is never part of a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WORD_BITS = 63

SHORT = 7
"""A last word of up to this many bits shares a number with the first in the hash table (state_table)."""


class LayoutFull(Exception):
    """A local state or value has a number that is too large for its field."""


class Field(NamedTuple):
    """`bits` bits at `shift` of word number `word`; no bits if only one value is known. `mask` is (1 << bits) - 1."""

    word: int
    shift: int
    bits: int
    mask: int

    def get(self, words: Sequence[int]) -> int:
        """The number in the field."""
        return (words[self.word] >> self.shift) & self.mask


@dataclass(frozen=True, slots=True)
class WordLayout:
    """One field for each thread and for each cell, and the number of words that they take."""

    threads: tuple[Field, ...]
    cells: tuple[Field, ...]
    words: int

    @property
    def short(self) -> int:
        """Bits used in the last word, if at most SHORT; else 0."""
        last = max(f.shift + f.bits for f in (*self.threads, *self.cells) if f.word == self.words - 1)
        return last if self.words > 1 and last <= SHORT else 0

    @property
    def slot_words(self) -> int:
        """64-bit numbers that a state takes in the hash table."""
        return self.words - 1 if self.short else self.words

    @property
    def size(self) -> tuple[int, int]:
        """64-bit numbers that a state takes: in the list of states, and in the hash table."""
        return self.words, self.slot_words


def width(count: int) -> int:
    """Bits needed for the numbers below `count`."""
    return (count - 1).bit_length() if count > 1 else 0


def lay_out(threads: Sequence[int], cells: Sequence[int]) -> WordLayout:
    """A layout for fields of these widths in bits: the smaller result of two ways of packing.

    Either in order, because neighbours are mostly read together, or the widest first.
    """
    widths = [*threads, *cells]
    orders = (range(len(widths)), sorted(range(len(widths)), key=lambda i: (-widths[i], i)))
    packed = [_packed(widths, order) for order in orders]
    layouts = [WordLayout(fields[: len(threads)], fields[len(threads) :], words) for fields, words in packed]
    return min(layouts, key=lambda layout: layout.size)


def _packed(widths: Sequence[int], order: Iterable[int]) -> tuple[tuple[Field, ...], int]:
    """First-fit packing: the fields, and the number of words."""
    free = [WORD_BITS]
    placed: dict[int, Field] = {}
    for number in order:
        bits = widths[number]
        word = next((w for w, room in enumerate(free) if room >= bits), len(free))
        if word == len(free):
            free.append(WORD_BITS)
        placed[number] = Field(word, WORD_BITS - free[word] if bits else 0, bits, (1 << bits) - 1)
        free[word] -= bits
    return tuple(placed[number] for number in range(len(widths))), len(free)


def shifts(pairs: Iterable[tuple[Field, Field]]) -> list[tuple[int, int, int, int]]:
    """Moves of fields as (source word, target word, mask, left shift); fields that move alike share one."""
    together: dict[tuple[int, int, int], int] = {}
    for source, target in pairs:
        key = (source.word, target.word, target.shift - source.shift)
        together[key] = together.get(key, 0) | source.mask << source.shift
    return [(word, to, mask, by) for (word, to, by), mask in together.items() if mask]
