"""What a thread may still do from each of its instructions on.

Two parts of the machine need it.  A load is offered a delay only if a store may follow before the next barrier, since
otherwise nothing could tell.  And a state keeps only what some remaining instruction can ask for (canonical.py).

Both rest on the control flow alone: every branch may go either way, every access to a page may fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.memory_model.program import (
    Address,
    BranchFlags,
    BranchIf,
    Cell,
    Code,
    Dsb,
    End,
    Fence,
    GracePeriod,
    Instruction,
    Isb,
    Jump,
    Load,
    Program,
    ReadLock,
    ReadUnlock,
    Register,
    Return,
    Rmw,
    Select,
    StoreExclusive,
    StoreValue,
    Tlbi,
    is_entry,
    reads,
    writes,
)
from core.memory_model.values import Descriptor


@dataclass(frozen=True)
class Future:
    """What a thread may do from an instruction on, that one included.

    loads, touched  cells that it may load; that it may load, store or walk through
    walks           pages that it may walk to
    live            registers that it reads before it writes them
    acquires ...    whether it has an acquire, a barrier, context synchronisation, a TLBI
    waits           whether it has a full DSB, so that a TLBI before it completes
    needs_delay     whether a store may come before the next barrier that waits for delayed loads
    sections        whether it has a read-side section or a grace period, `domains` those of its sections
    periods         whether it has a grace period"""

    loads: frozenset[Cell] = frozenset()
    touched: frozenset[Cell] = frozenset()
    walks: frozenset[str] = frozenset()
    live: frozenset[Register] = frozenset()
    acquires: bool = False
    barriers: bool = False
    synchronises: bool = False
    invalidates: bool = False
    waits: bool = False
    needs_delay: bool = False
    sections: bool = False
    domains: frozenset[str] = frozenset()
    periods: bool = False


NOTHING = Future()
"""The future of a thread that has ended."""


def futures(program: Program) -> tuple[tuple[Future, ...], ...]:
    """Per thread and instruction, what may still come."""
    outputs = _Outputs(program)
    return tuple(_of_thread(program, outputs, i, code) for i, code in enumerate(program.threads))


class _Outputs:
    """Which physical pages a virtual page may map to."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.everything = frozenset(program.memory)
        outputs = [x.oa for x in _entries(program) if x.oa is not None]
        self.every_page = frozenset(outputs).union(*(self._mapped(page, outputs) for page in program.pages))
        self.by_page: dict[str, set[Cell]] = {}
        self.unknown = False
        for cell in program.pages_of:
            self._note(cell, program.memory[cell])
        for code in program.threads:
            for instruction in code.instructions:
                self._look_at(instruction)

    def _mapped(self, page: str, outputs: list[str]) -> set[Cell]:
        """Where `page` is, if entries of whatever level have these output addresses."""
        levels = range(len(self.program.above.get(page, ())) + 1)
        return {self.program.output(page, level, oa) for oa in outputs for level in levels}

    def _note(self, cell: Cell, value: object) -> None:
        if isinstance(value, Descriptor) and value.oa is not None:
            for page in self.program.pages_of.get(cell, ()):
                self.by_page.setdefault(page, set()).update(self._mapped(page, [value.oa]))

    def _look_at(self, instruction: Instruction) -> None:
        match instruction:
            case StoreValue(address, value) if not address.translated or address.cell is None:
                if address.cell is None or isinstance(value, str):
                    self.unknown = self.unknown or address.cell is None or is_entry(address.cell)
                elif is_entry(address.cell):
                    self._note(address.cell, value)
            case Rmw(address=address) | StoreExclusive(address=address):
                if address.cell is None or (not address.translated and is_entry(address.cell)):
                    self.unknown = True

    def of(self, page: str) -> frozenset[Cell]:
        return self.every_page if self.unknown else frozenset(self.by_page.get(page, ()))


def _entries(program: Program) -> Iterator[Descriptor]:
    for value in program.memory.values():
        if isinstance(value, Descriptor):
            yield value
    for code in program.threads:
        for instruction in code.instructions:
            for part in instruction:
                if isinstance(part, Descriptor):
                    yield part


def _of_thread(program: Program, outputs: _Outputs, i: int, code: Code) -> tuple[Future, ...]:
    """The least solution of `future(pc) = own(pc) + futures of what may come next`."""
    follow = [tuple(_successors(code, pc)) for pc in range(len(code.instructions))]
    own = [_own(program, outputs, i, x) for x in code.instructions]
    result = list(own)
    changed = True
    while changed:
        changed = False
        for pc in reversed(range(len(result))):
            after = [result[x] for x in follow[pc]]
            new = _joined(code.instructions[pc], own[pc], after)
            if new != result[pc]:
                result[pc], changed = new, True
    return tuple(result)


def _successors(code: Code, pc: int) -> Iterator[int]:
    instruction = code.instructions[pc]
    match instruction:
        case End():
            return
        case Return():
            yield from code.labels
            return
        case Jump(target):
            yield target
            return
        case BranchIf(target=target) | BranchFlags(target=target):
            yield target
        case Load() | StoreValue() | Rmw() | StoreExclusive() if code.handler is not None:
            yield code.handler
    yield pc + 1


def _joined(instruction: Instruction, own: Future, after: list[Future]) -> Future:
    live = frozenset(x for f in after for x in f.live)
    written = writes(instruction)
    # an access may fault, and a CSEL or store-exclusive keep nothing: only a certain write ends a life
    if written is not None and not isinstance(instruction, Load | Rmw | StoreExclusive):
        live -= {written}
    return Future(
        own.loads.union(*(f.loads for f in after)),
        own.touched.union(*(f.touched for f in after)),
        own.walks.union(*(f.walks for f in after)),
        own.live | live,
        own.acquires or any(f.acquires for f in after),
        own.barriers or any(f.barriers for f in after),
        own.synchronises or any(f.synchronises for f in after),
        own.invalidates or any(f.invalidates for f in after),
        own.waits or any(f.waits for f in after),
        own.needs_delay or (not _stops_delay(instruction) and any(f.needs_delay for f in after)),
        own.sections or any(f.sections for f in after),
        own.domains.union(*(f.domains for f in after)),
        own.periods or any(f.periods for f in after),
    )


def _stops_delay(instruction: Instruction) -> bool:
    """Whether no delayed load can be left behind `instruction` when it has been executed and a store comes."""
    match instruction:
        case Fence(before, after, tso):
            return tso or ("r" in before and "w" in after)
        case Dsb(is_reads):
            return is_reads
        case GracePeriod():
            return True
        case ReadLock(domain) | ReadUnlock(domain):
            return domain != ""
    return False


def _own(program: Program, outputs: _Outputs, i: int, instruction: Instruction) -> Future:
    live = reads(instruction)
    match instruction:
        case Load(address=address, order=order):
            loads, touched, walks = _reached(program, outputs, address)
            updates = bool(walks) and "HA" in (program.hardware[i] if program.hardware else ())
            return Future(
                loads,
                touched,
                walks,
                live,
                acquires=bool(order.acquire),
                barriers=bool(order.release),
                synchronises=_synchronises(program, i, walks),
                needs_delay=updates,
            )
        case Rmw(address=address) | StoreValue(address=address) | StoreExclusive(address=address):
            loads, touched, walks = _reached(program, outputs, address)
            return Future(
                frozenset() if isinstance(instruction, StoreValue) else loads,
                touched,
                walks,
                live,
                acquires=not isinstance(instruction, StoreValue),
                synchronises=_synchronises(program, i, walks),
                needs_delay=True,
            )
        case Fence():
            return Future(live=live, barriers=True)
        case Dsb():
            return Future(live=live, barriers=True, waits=instruction.full)
        case Isb() | Return():
            return Future(live=live, synchronises=True)
        case Tlbi():
            return Future(live=live, invalidates=True, needs_delay=True)
        case ReadLock(domain) | ReadUnlock(domain):
            return Future(live=live, barriers=True, sections=True, domains=frozenset({domain}))
        case GracePeriod():
            return Future(live=live, barriers=True, sections=True, periods=True)
        case Select():
            return Future(live=live | {FLAGS})
        case BranchFlags():
            return Future(live=frozenset({FLAGS}))
    return Future(live=live)


FLAGS = "(flags)"
"""The name under which `Future.live` lists the flags."""


def _synchronises(program: Program, i: int, walks: frozenset[str]) -> bool:
    """Whether an access to `walks` may fault without ending the thread: that is an exception taken and returned
    from."""
    return bool(walks) and (program.threads[i].handler is not None or program.retries or i in program.skips)


def _reached(
    program: Program, outputs: _Outputs, address: Address
) -> tuple[frozenset[Cell], frozenset[Cell], frozenset[str]]:
    """The cells that an access may go to, those and the entries that it may walk through, and their pages."""
    if address.cell is None:
        pages = frozenset(program.pages) if address.translated else frozenset()
        return outputs.everything, outputs.everything, pages
    if not address.translated:
        cells = frozenset({address.cell})
        return cells, cells, frozenset()
    cells = outputs.of(address.cell)
    return cells, cells.union(program.entries_of(address.cell)), frozenset({address.cell})
