"""The workers of one search as seen from Python: threads in machine code, which need no interpreter lock.

`core.explore.compiled.parallel` has the argument and the loop.  Worker 0 is the caller.  The others are threads that
are made when the team is, and sleep in machine code while Python learns.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from core.explore.compiled import shared
from core.explore.compiled.arrays import DEADLOCK_FLAG, EDGES, FRONT, NEXT, ArrayContext
from core.explore.compiled.packed import work_space
from core.explore.numeric import numpy

if TYPE_CHECKING:
    from core.explore.compiled.store import Store

np = numpy()

T = TypeVar("T")

MOST_WORKERS = 64

CHUNKS_EACH = 16
"""Chunks of a block, for each worker: a worker that is slower, or comes late, leaves more of them to the others."""

CHUNK_ENTRIES = 512
"""Successors of a chunk, about: so many that claiming it costs nothing, so few that a block stays in the caches."""

MOST_SOURCES = 1024

LEAST_SOUGHT = 256
"""States that are looked through at once, at least."""

PARTS_EACH = 8
"""Parts of the table, for each worker, for the same reason."""


MANY = 1 << 62


STACK = 1 << 19
"""Bytes of a worker's stack: the loops need little, and the address space of a job is limited."""


def in_turn(task: Callable[[int], T], arguments: Sequence[int], workers: int) -> Iterator[T]:
    """The results of a task for each of the arguments, in their order, by as many threads.

    Tasks share nothing but what they only read, and are for the most part machine code.
    """
    if min(workers, len(arguments)) <= 1:
        yield from map(task, arguments)
        return
    from concurrent.futures import ThreadPoolExecutor  # takes milliseconds to import

    with ThreadPoolExecutor(workers) as pool:
        try:
            found = pool.map(task, arguments)
        except RuntimeError:  # no thread can be started
            found = map(task, arguments)
        yield from found


class NoTeam(Exception):
    """No thread can be started."""


def part_bits(workers: int) -> int:
    """The table of a search by so many workers has 1 << part_bits parts."""
    return 0 if workers == 1 else (PARTS_EACH * workers - 1).bit_length()


class Team:
    """Workers for searches in one store, as long as its states have as many words as now, or until `close`."""

    def __init__(self, store: Store, workers: int, agents: int, most_moves: int) -> None:
        self.store, self.workers, self.most_moves = store, workers, most_moves
        self._words, parts = store.layout.words, 1 << store.part_bits
        self._shared = np.zeros(shared.SHARED_SIZE, np.int64)
        chunks, room = CHUNKS_EACH * workers, 2 * CHUNK_ENTRIES + most_moves
        arrays = {
            shared.RECORDS: np.zeros(shared.RECORD * chunks, np.int64),
            shared.STARTS: np.zeros(chunks * (parts + 1), np.int64),
            shared.FRESH: np.zeros(chunks * parts, np.int64),
            shared.SORTED: np.zeros((self._words + 1) * chunks * room, np.int64),
            shared.MARKS: np.zeros(chunks * (room + 63 >> 6), np.int64),
            shared.SOUGHT: np.zeros(shared.MOST_SOUGHT, np.int64),
        }
        self._buffer = {
            "buffer": np.zeros(chunks * room * self._words, np.int64),
            "notes": np.zeros(4 * chunks * room, np.int64),
        }
        self._contexts = [ArrayContext() for _ in range(workers)]
        self._own = [
            {**work_space(self._words, agents), "front": np.zeros(FRONT * self._words, np.int64)}
            for _ in range(workers)
        ]
        arrays[shared.CONTEXTS] = np.array([context.address for context in self._contexts], np.int64)
        self._arrays = arrays
        for place, array in arrays.items():
            self._shared[place] = array.ctypes.data
        self._shared[shared.ROOM], self._shared[shared.MOST_CHUNKS] = room, chunks
        self._shared[shared.MOST_MOVES] = most_moves
        self._sleep()
        self._threads: list[threading.Thread] = []
        store.context.put({"team": self._shared})  # in this one too: a thread that begins late reads it at any time
        self._refresh()
        self._start()

    def _sleep(self) -> None:
        """Make the lock and the condition on which workers sleep."""
        c = ctypes.CDLL(None)
        self._mutex, self._condition = ctypes.create_string_buffer(256), ctypes.create_string_buffer(256)
        c.pthread_mutex_init(self._mutex, None)
        c.pthread_cond_init(self._condition, None)
        functions: Mapping[int, Any] = {
            shared.LOCK: c.pthread_mutex_lock,
            shared.UNLOCK: c.pthread_mutex_unlock,
            shared.SLEEP: c.pthread_cond_wait,
            shared.WAKE: c.pthread_cond_broadcast,
        }
        for place, function in functions.items():
            self._shared[place] = ctypes.cast(function, ctypes.c_void_p).value
        self._shared[shared.MUTEX] = ctypes.addressof(self._mutex)
        self._shared[shared.CONDITION] = ctypes.addressof(self._condition)

    def _start(self) -> None:
        work, before = self.store.loops.work, threading.stack_size(STACK)
        try:
            for me in range(1, self.workers):
                thread = threading.Thread(target=work, args=(self._contexts[me].address, me), daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError as error:
            self.close()
            raise NoTeam from error
        finally:
            threading.stack_size(before)

    def _refresh(self) -> None:
        """Pass the arrays as they are now to all workers."""
        for context, own in zip(self._contexts, self._own, strict=True):
            context.take(self.store.context)
            context.put({**self._buffer, **own})

    def fits(self, most_moves: int) -> bool:
        """Is this still a team for the states as they are laid out, with so many moves at most?"""
        return self.store.layout.words == self._words and most_moves <= self.most_moves

    def _work(self, job: int) -> int:
        self._refresh()
        self._shared[shared.JOB] = job
        return self.store.loops.work(self._contexts[0].address, 0)

    def expand(self, most_states: int | None) -> int:
        """Expand the level from the next state on; why it stopped. There may be `most_states` states at most then."""
        control = self.store.control
        each = max(1, int(control[EDGES]) // max(1, int(control[NEXT])) + 1)
        self._shared[shared.SIZE] = max(1, min(MOST_SOURCES, CHUNK_ENTRIES // each))
        self._shared[shared.MOST_STATES] = MANY if most_states is None else most_states
        return self._work(shared.EXPAND)

    @property
    def entries(self) -> int:
        """The successors of the block for which there was no room."""
        return int(self._shared[shared.ENTRIES])

    @property
    def first_look(self) -> int:
        """The first new state of the last block that did not pass all checks."""
        return int(self._shared[shared.FIRST_LOOK])

    def edges_to(self, state: int) -> int:
        """The edges of the search up to the one by which `state`, which is new in the last block, was found."""
        t, notes = self._shared, self._buffer["notes"].reshape(-1, 4)
        listed = self._arrays[shared.SORTED].reshape(-1, self._words + 1)[:, 0]
        records = self._arrays[shared.RECORDS].reshape(-1, shared.RECORD)
        edges, left = int(t[shared.BEFORE_EDGES]), state - int(t[shared.BEFORE_COUNT])
        for chunk in range(int(t[shared.CHUNKS])):
            base, of_chunk = chunk * int(t[shared.ROOM]), int(records[chunk, shared.EDGES_OF])
            entries = listed[base : base + of_chunk]
            new = np.sort(entries[(entries & 1) == 1] >> 1)
            if left < len(new):
                return edges + int((notes[base : int(new[left]) + 1, 0] != DEADLOCK_FLAG).sum())
            edges += of_chunk
            left -= len(new)
        raise ValueError(f"state {state} was not found in the last block")

    def unfold(self, shift: int) -> bool:
        """Move all states to their new slots after the table has grown. False as in `state_table.unfold`."""
        self._shared[shared.OLD_SHIFT] = shift
        self._work(shared.UNFOLD)
        return not self._shared[shared.FAILED]

    def missing(self, first: int, end: int) -> Any:
        """Ranges (first, end) of the states first..end, in order, with all those of which an answer is missing."""
        size = max(LEAST_SOUGHT, -(-(end - first) // shared.MOST_SOUGHT))
        self._shared[shared.FIRST], self._shared[shared.UPTO], self._shared[shared.SIZE] = first, end, size
        self._work(shared.SEEK)
        upto = np.minimum(np.arange(first, end, size) + size, end)
        ranges = np.stack([self._arrays[shared.SOUGHT][: len(upto)], upto], axis=1)
        return ranges[ranges[:, 0] < upto]

    def close(self) -> None:
        """Let the threads end."""
        number = (int(self._shared[shared.TICKET]) >> shared.NUMBER_AT) + 1
        c = ctypes.CDLL(None)
        c.pthread_mutex_lock(self._mutex)
        self._shared[shared.TICKET] = number << shared.NUMBER_AT | shared.QUIT << shared.ACTIVITY_AT
        c.pthread_cond_broadcast(self._condition)
        c.pthread_mutex_unlock(self._mutex)
        for thread in self._threads:
            thread.join()
        self._threads = []
