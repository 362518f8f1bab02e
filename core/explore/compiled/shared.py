"""What the workers of one search share: numbers in one array, at `team` in `arrays`, and records for each chunk.

Data types
    TICKET     what is to be done: its number in the order of all, an activity, how many tasks it has, and the next task
    a chunk    neighbouring states of a level whose successors one worker makes; a block is some chunks
    a record   of a chunk, of RECORD numbers: see END_OF and what follows
"""

from __future__ import annotations

# What many workers change is on cache lines of its own.
TICKET, FINISHED, SLEEPERS = 0, 8, 16

# The lock and the condition on which workers sleep: where they are, and the C functions for them.
MUTEX, CONDITION, LOCK, UNLOCK, SLEEP, WAKE = range(24, 30)

# Where the arrays are, and how large.
CONTEXTS, RECORDS, STARTS, FRESH, SORTED, ROOM, MOST_MOVES, MOST_CHUNKS, SIZE, MOST_STATES = range(32, 42)
"""Addresses: of the workers' `Arrays`; of the chunks' records; by chunk and part where in `SORTED` its successors end,
behind a 0; by chunk and part how many were new; of the successors in the order of the parts, each as
2 * entry, and 1 more if it is new, its hash, and its words but the first.
`MARKS`, below: by chunk one bit for each of its entries.
`SOUGHT`: by task of SEEK the first state of which an answer is missing, or the end of the task's states.
`ROOM`: entries of a chunk; `MOST_MOVES`: successors of a state at most; `SIZE`: states of a chunk."""

# The block at work, or the growth, or the states that are looked through (FIRST, UPTO, SIZE).
JOB, FIRST, UPTO, CHUNKS, STOPPED, STOPS, CRAMPED_NOW, FOUND, ENTRIES, BLOCK_EDGES, WHY, FIRST_LOOK = range(48, 60)
OLD_SHIFT, FROM_PART, FAILED, BEFORE_COUNT, BEFORE_EDGES, SOUGHT, MARKS = range(60, 67)

SHARED_SIZE = 72

INDEX_BITS, TOTAL_BITS, ACTIVITY_BITS = 16, 16, 4
TOTAL_AT = INDEX_BITS
ACTIVITY_AT = TOTAL_AT + TOTAL_BITS
NUMBER_AT = ACTIVITY_AT + ACTIVITY_BITS
"""Where the parts of a ticket begin; the lowest bits are the index of the next task."""

IDLE, QUIT, EXPAND, INSERT, PLACE, UNFOLD, SEEK = range(7)
"""Activities: none; workers but the first return; make the successors of the chunks; insert them into the parts of the
table; put what was new to its place; move the parts of a table that has grown; look for states of which an answer is
missing."""

MOST_SOUGHT = 1 << 12
"""Tasks of SEEK at most."""

RECORD = 8
END_OF, EDGES_OF, STOP_OF, STOPS_OF, PLACE_OF, LOOK_OF = range(6)
"""The end of its entries; its edges; the state at which it stopped, or -1, and why; the number of its first new state;
its first new state that does not pass all checks, or -1."""

NOT, SPECIAL, NO_ROOM = range(3)
"""Why a chunk stopped before its end: it did not; an answer is missing, or Python must be told; its room is full."""

ALONE, NEAR_LIMIT, LOOK_BEHIND = range(100, 103)
"""Why workers returned, besides the reasons in `arrays`: a state that one worker must expand alone; nearly as many
states as are allowed; some of the new states must be looked at."""
