"""Everything the inner loops work on, by name: the addresses of flat arrays of 64-bit integers, and some numbers.

The loops are plain machine code and get one address, that of all these numbers in this order.

Data types
    Arrays    what is in it.  Records of arrays:
        threads     word, shift, mask and first local state of each agent; a daemon's has no bits
        locals      by local state, counted through all agents: QUESTION numbers, see there
        props       by property: QUESTION numbers with its kind and whether it is active in the last two places
        chunks      word, shift, mask, nothing: further parts of a state that a question reads
        child       the nodes of all questions' trees
        moves       for each word what to keep and what to set, then the property that the step violates (0: none)
        danger      a bit by Fusible and local state: does that forbid to hurry?
    Context   Arrays from numpy arrays, which it keeps alive

A question is what an agent, pending in a local state, asks of a state, or what a property asks.  It reads parts of
the state's words, each at most CHUNK bits wide.  The first value leads from the root to a place in `child`; each
further one from the node found there to the next place.  The last place holds the answer: of a property 1 or 0, of
an agent the place of its first move in `moves` and their number, as `first << COUNT_BITS | number`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.explore.numeric import numpy

np = numpy()

# Positions in `control`, which says where the search stands, so that it can leave for Python and come back.
NEXT, LEVEL_END, COUNT, EDGES, BUFFERED, DRAINED, QUIET, PAUSE_AT, SOURCE, LIMIT = range(10)
CONTROL_SIZE = 16

# Why `expand` came back.
DONE, GROW, MISS, VIOLATED_STEP, DEADLOCK, LOOK, PAUSED, FUSION_MISS, CRAMPED = range(9)

DEADLOCK_FLAG = -1
BATCH = 96
"""Successors on their way at once: enough to hide a cache miss, few enough to stay in the first cache."""

LOW = 48
"""A hash table has at least 1 << 64 - LOW slots, so these bits of a hash and the place of its slot tell all of it."""

FRONT = 4096
"""Slots at the front of the table that are treated apart when it grows."""

CHUNK = 9
"""Bits of a state read at once: a node of 512 places is 4 KiB, and few of them are in use."""

QUESTION = 8
ROOT, WORD, SHIFT, MASK, MORE, END, STATUS, FUSIBLE = range(QUESTION)
"""Places in a question: its root, what its first part reads, which chunks follow; the rest is for local states."""
KIND, ACTIVE = STATUS, FUSIBLE

COUNT_BITS = 16
HOLE, BEING_LEARNED = -1, -2
"""Answers that are not known yet, and those that are being asked for."""

RUNS, ENDED, ASSERTED = range(3)
ALWAYS, FINALLY, SOMETIMES = range(3)


class Arrays(NamedTuple):
    """Addresses and numbers; see above for the records.

    control           where the search stands
    states            the words of all states, in the order in which they were found; the frontier is its end
    table             an open-addressing hash table of the same states, `slot_words` numbers each, so that one cache
                      line answers "seen before?"; `slot_shift` makes a slot's number of a hash, `slot_mask` is the
                      last slot's; `distance` is where in a slot its distance from there begins
    threads..danger   the model; the first `running` of the `agents` are threads, `asserts` says whether any local
                      state is ASSERTED; `longest` is how many steps may be done in one go, 0 when nothing hurries;
                      `width` is the numbers of one fusible in `danger`
    members..         permutations of equal members, the first of them the identity:
        order             by permutation and place: the member that goes there
        stays             the words of what a permutation leaves where it is
        shifts            source word, target word, mask, shift to the left;  first_shift: where a permutation's start
        maps              word, shift, mask, target word and shift, start in `images` of fields whose numbers change
        key_shifts..      the same for each member's own fields, moved to where those of the first member are
    buffer..front     room to work in: successors on their way to the table; of each the violation, source and hash
                      (`notes`); the words of a state in which an answer is missing and the agent (`scratch`); keys of
                      members; words; states from the front of the table
    """

    control: int
    states: int
    table: int
    slot_shift: int
    slot_mask: int
    slot_words: int
    distance: int
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


class Context:
    """The values of `Arrays` in memory."""

    def __init__(self) -> None:
        self._values = np.zeros(len(Arrays._fields), np.int64)
        self._places = {name: place for place, name in enumerate(Arrays._fields)}
        self._alive: dict[str, Any] = {}
        self.address = int(self._values.ctypes.data)

    def put(self, values: Mapping[str, Any]) -> None:
        """Arrays or numbers, by name."""
        for name, value in values.items():
            self._alive[name] = value
            if isinstance(value, np.ndarray):
                value = value.ctypes.data
            self._values[self._places[name]] = value
