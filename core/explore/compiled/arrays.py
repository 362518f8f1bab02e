"""Everything that the inner loops work on, by name: addresses of flat arrays of 64-bit integers, and some numbers.

The loops are plain machine code.  They are passed one address: that of all these numbers, in this order.

Data types
    Arrays    the names, in order.  Records in the arrays:
        threads     word, shift, mask and first local state of each agent; a daemon's mask is 0
        locals      by local state, counted through all agents: a question of QUESTION numbers, see below
        props       by property: a question, with the property's kind and whether it is active as its last two numbers
        chunks      word, shift, mask, unused: the further parts of a state that a question reads
        child       the nodes of all lookup trees
        moves       for each word a mask of bits to keep and the bits to set, then the property violated (0: none)
        danger      one bit by Fusible and local state: must the operation not be fused?
        guard_of    by Fusible: its first guard, and the end of them
        guards      word, shift, mask of a cell, and where its bits in `allowed` begin: one by value, may it be fused?
    ArrayContext   the values of `Arrays` in memory, with the numpy arrays behind them

A question is a lookup by parts of a state: what an agent does in a local state, or whether a property holds.  It reads
parts of the state's words, each at most CHUNK bits wide.  The first value leads from the root to an element of `child`;
each further value leads from the node found there to the next element.  The last element is the answer: 1 or 0 for a
property; for an agent the index of its first move in `moves` and their number, as `first << COUNT_BITS | number`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.explore.numeric import numpy

np = numpy()

# Positions in `control`: the state of the search, so that the loops can return to Python and be resumed.
NEXT, LEVEL_END, COUNT, EDGES, BUFFERED, DRAINED, QUIET, PAUSE_AT, SOURCE, LIMIT = range(10)
CONTROL_SIZE = 16

# Why `expand` returned.
DONE, GROW, MISS, VIOLATED_STEP, DEADLOCK, LOOK, PAUSED, FUSION_MISS, CRAMPED = range(9)

DEADLOCK_FLAG = -1
BATCH = 96
"""Successors buffered at once: enough to hide cache misses, few enough to stay in the L1 cache."""

LOW = 48
"""A hash table has at least 1 << 64 - LOW slots, so the low LOW bits of a hash and its home slot give the whole hash.
"""

FRONT = 4096
"""Slots at the start of the table that are handled separately when it grows (state_table.unfold)."""

QUEUE = 48
"""States that are looked at behind a waiting one, at most."""

CHUNK = 9
"""Bits of a state that are read at once: a node has up to 512 elements (4 KiB), few of them in use."""

QUESTION = 8
ROOT, WORD, SHIFT, MASK, MORE, END, STATUS, FUSIBLE = range(QUESTION)
"""The numbers of a question: its root node, what its first part reads, which chunks follow.  The last two say of a
local state whether it runs, has ended or asserted, and the number of its Fusible or -1."""
KIND, ACTIVE = STATUS, FUSIBLE

COUNT_BITS = 16
HOLE, BEING_LEARNED = -1, -2
"""Instead of an answer: not known yet; not known, and already on the list of what Python will learn."""

RUNS, ENDED, ASSERTED = range(3)
ALWAYS, FINALLY, SOMETIMES = range(3)


class Arrays(NamedTuple):
    """Addresses and numbers; the module's docstring describes the records.

    control           the state of the search
    states            the words of all states, in the order in which they were found; the frontier is at the end
    table             an open-addressing hash table of the same states, `slot_words` numbers each, so that one cache
                      line answers "seen before?"; `slot_shift` turns a hash into a slot number; `distance` is the bit
                      in a slot at which the distance from the home slot begins; the first `part_bits` of a slot's
                      number say in which part of the table it is, which `part_mask` leaves out
    threads..danger   the model; the first `running` of the `agents` are threads; `asserts`: is any local state
                      ASSERTED; `longest`: operations fused into one step at most, 0 without fusion; `width`: bits of
                      one Fusible in `danger` members..         permutations of equal members, the first of them the
                      identity: order             by permutation and position: the member that is moved there stays
                      mask words of the bits that a permutation does not move shifts            source word, target
                      word, mask, shift to the left;  first_shift: where a permutation's begin maps              word,
                      shift, mask, target word and shift, start in `images`: fields whose numbers change key_shifts..
                      the same for each member's own fields, moved to the position of the first member's
    buffer..front     work space: successors waiting to be looked up; the violation, source and hash of each (`notes`);
                      a state and an agent (`scratch`); keys of members; words; states from the front of the table
    circles, queue    by local state the number of its circle (core.explore.never_ends), 0 for none; states to look at
    team              what several workers share (core.explore.compiled.parallel)
    """

    control: int
    states: int
    table: int
    slot_shift: int
    slot_words: int
    distance: int
    part_bits: int
    part_mask: int
    threads: int
    running: int
    agents: int
    asserts: int
    locals: int
    chunks: int
    child: int
    moves: int
    props: int
    properties: int
    longest: int
    danger: int
    guard_of: int
    guards: int
    allowed: int
    width: int
    permutations: int
    members: int
    order: int
    stays: int
    shifts: int
    first_shift: int
    maps: int
    first_map: int
    images: int
    key_shifts: int
    first_key_shift: int
    key_maps: int
    first_key_map: int
    buffer: int
    notes: int
    scratch: int
    keys: int
    least: int
    image: int
    kept: int
    front: int
    circles: int
    queue: int
    team: int


class ArrayContext:
    """The values of `Arrays` in memory."""

    def __init__(self) -> None:
        self._values = np.zeros(len(Arrays._fields), np.int64)
        self._places = {name: place for place, name in enumerate(Arrays._fields)}
        self._alive: dict[str, Any] = {}
        self.address = int(self._values.ctypes.data)

    def take(self, other: ArrayContext) -> None:
        """Take all values of another, whose arrays must live as long."""
        self._values[:] = other._values

    def put(self, values: Mapping[str, Any]) -> None:
        """Set arrays (by address) or numbers, by name."""
        for name, value in values.items():
            self._alive[name] = value
            if isinstance(value, np.ndarray):
                value = value.ctypes.data
            self._values[self._places[name]] = value
