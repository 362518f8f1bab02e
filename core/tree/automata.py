"""Automata on demand: in memory, on disk beside the unit, or learned by a worker.

An automaton is a pure function of the unit, the entry, its arguments, the number of CPUs and the vocabulary.  So it may
be learned when a search first calls the entry: no C runs while states are searched, and none at all the second time.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from core.base.caches import own_cache
from core.base.files import write_atomically
from core.base.watchdog import clock_stopped
from core.tree import automaton, learn, vocabulary
from core.tree import counting as counting_module
from core.tree import unit as unit_module
from core.tree.automaton import CAutomaton, from_json
from core.tree.binding import binding
from core.tree.build import Unit
from core.tree.counting import counting
from core.tree.errors import TreeError
from core.tree.sites import lines_of
from core.tree.stepping import StepOfC

LONGEST_NAME = 120
"""Of a file; one with more arguments is named by their hash."""

SECONDS = 600.0
"""That learning one automaton may take, however busy the machine is; its worker has a limit of processor time."""


_WORKERS: dict[tuple[int, Path, str, bool], subprocess.Popen[str]] = {}
"""One for each unit, however many plugins are set up of it."""


def _keep(places: Sequence[Path], text: str) -> None:
    """Write `text` in the first of `places` that can be written; if none can, it is learned again the next time."""
    for place in places:
        with suppress(OSError):
            write_atomically(place, text)
            return


@cache
def _read(kept: Path) -> CAutomaton:
    """A table that is kept, which never changes under its name: each is read once, whatever jobs a process has."""
    return from_json(kept.read_text(encoding="utf-8"))


@dataclass(eq=False)
class Automata:
    """The automata of a unit under a binding, which `reference` refers to; `words` is the digest of its vocabulary.

    `counts`: instructions that no model needs are operations too (core.tree.counting).
    """

    __shootdown_entity__ = True

    unit: Unit
    reference: str
    words: str
    counts: bool = False
    _known: dict[tuple[str, tuple[int, ...], int], CAutomaton] = field(default_factory=dict)
    _asked: set[tuple[str, tuple[int, ...], int]] = field(default_factory=set)

    @property
    def vocabulary(self) -> vocabulary.Vocabulary:
        """What the words mean."""
        of = binding(self.reference).vocabulary
        return counting(of) if self.counts else of

    def of(self, entry: str, args: tuple[int, ...], cpus: int) -> CAutomaton:
        """The automaton of `entry`. TreeError if it cannot be learned."""
        key = (entry, args, cpus)
        self._asked.add(key)
        if key not in self._known:
            self._known[key] = self._found(*key)
        return self._known[key]

    def _found(self, entry: str, args: tuple[int, ...], cpus: int) -> CAutomaton:
        """Of those that are kept, or learned now. TreeError if it cannot be learned."""
        name = f"{name_of(entry, args, cpus)}.json"
        places = [directory / name for directory in kept_in(self.unit, self._kept_under, own_cache())]
        kept = next((place for place in places if place.is_file()), None)
        if kept is not None:
            return _read(kept)
        found = from_json(self._learned(entry, args, cpus))
        _keep(places, found.to_json())
        return found

    @property
    def _kept_under(self) -> str:
        return f"{self.words}-counting" if self.counts else self.words

    def known(self) -> Mapping[str, CAutomaton]:
        """Those that were asked for since `forget`, by function, arguments and number of CPUs."""
        found = {key: one for key, one in self._known.items() if key in self._asked}
        return {f"{entry}{args} on {cpus} CPUs": one for (entry, args, cpus), one in found.items()}

    def forget(self) -> None:
        """Forget what was asked for: another scenario begins."""
        self._asked.clear()

    # ---- one path (core.tree.stepping) ---------------------------------------------------------------------------

    def start(self, entry: str, args: tuple[int, ...], cpus: int) -> StepOfC:
        """Call `entry`, to be answered step by step. TreeError if it does what no rule knows."""
        return self._step(entry, {"start": entry, "args": args, "cpus": cpus})

    def answer(self, entry: str, at: StepOfC, value: int) -> StepOfC:
        """Answer what a call of `entry` waits for. TreeError as of `start`."""
        return self._step(entry, {"call": at.call, "answer": value})

    def _step(self, entry: str, request: Mapping[str, Any]) -> StepOfC:
        call, words, said, ended, result = self._said(entry, request)["asked"]
        return StepOfC(call, tuple(vocabulary.Word(*word) for word in words), tuple(said), ended, result)

    # ---- the worker ----------------------------------------------------------------------------------------------

    def _learned(self, entry: str, args: tuple[int, ...], cpus: int) -> str:
        return str(self._said(entry, {"entry": entry, "args": args, "cpus": cpus})["automaton"])

    def _said(self, entry: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """What the worker answers; one that is left before it has answered is not asked again. TreeError."""
        with clock_stopped():
            try:
                answer = self._answer(entry, request)
            except BaseException:
                self._end_worker()
                raise
        if "error" in answer:
            raise TreeError(answer["error"])
        return answer

    def _answer(self, entry: str, request: Mapping[str, Any]) -> dict[str, Any]:
        worker = self._worker()
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(request) + "\n")
            worker.stdin.flush()
        except BrokenPipeError:
            raise TreeError(self._died(entry)) from None
        if not select.select([worker.stdout], [], [], SECONDS)[0]:
            raise TreeError(f"{entry}(): running it took more than {SECONDS:g} s")
        said = worker.stdout.readline()
        if not said:
            raise TreeError(self._died(entry))
        answer: dict[str, Any] = json.loads(said)
        return answer

    def _end_worker(self) -> None:
        worker = _WORKERS.pop(self._worker_key, None)
        if worker is not None:
            worker.kill()
            worker.wait()

    def _worker(self) -> subprocess.Popen[str]:
        if self._worker_key not in _WORKERS:
            command = [sys.executable, "-m", "core.tree.worker", str(self.unit.library), self.reference]
            command += [str(self.unit.version), *(["counting"] if self.counts else [])]
            pipe = subprocess.PIPE
            worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
            _WORKERS[self._worker_key] = worker
            atexit.register(worker.kill)
        return _WORKERS[self._worker_key]

    @property
    def _worker_key(self) -> tuple[int, Path, str, bool]:
        """Not of a process that has been forked: two that read one pipe would read each other's answers."""
        return os.getpid(), self.unit.library, self.reference, self.counts

    def _died(self, entry: str) -> str:
        """Why the worker has ended, in one line."""
        worker = _WORKERS.pop(self._worker_key)
        said = worker.communicate()[1]
        found = re.search(r"runtime: signal (\d+) pc (\w+) last (\w+)", said)
        if not found:
            last = said.strip().splitlines()[-1:] or [f"exit status {worker.returncode}"]
            return f"{entry}(): the process that runs its C ended: {last[0]}"
        what = {27: "runs on without an operation", 24: "took too much processor time"}.get(
            int(found[1]), f"crashes with signal {found[1]}"
        )
        return f"{self._place(int(found[2], 16))}: {entry}() {what}"

    def _place(self, pc: int) -> str:
        lines = lines_of(self.unit.library, [pc + 1])
        return next(iter(lines.values()), "?")


def name_of(entry: str, args: tuple[int, ...], cpus: int) -> str:
    """The name of an automaton, which is also that of its file."""
    name = "-".join([entry, *(f"{value:x}" for value in args), f"{cpus}cpus"])
    return name if len(name) <= LONGEST_NAME else f"{entry}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def kept_in(unit: Unit, words: str, own: Path | None) -> list[Path]:
    """Where the automata of a unit are: beside it, or in the cache of a guest, `own`, who must not write there."""
    under = Path(f"automata-{words}")
    places = [unit.directory / under]
    return places if own is None else [*places, own / unit.directory.name / under]


def digest_of(reference: str) -> str:
    """Of the files that say what the words mean: automata that were learned under others are not used."""
    of = binding(reference)
    said = {
        of.plugin.__module__,
        *(part.__module__ for rule in of.vocabulary.rules for part in (rule.do, rule.answers) if part),
    }
    found = hashlib.sha256()
    for module in (
        automaton,
        counting_module,
        learn,
        unit_module,
        vocabulary,
        *(sys.modules[name] for name in sorted(said)),
    ):
        found.update(Path(str(module.__file__)).read_bytes())
    return found.hexdigest()[:12]
