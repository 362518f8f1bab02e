"""A compiled unit in this process: loads it, names its addresses, runs its thread from request to request.

Only a worker (core.tree.worker) does this: C that crashes or loops takes its process along.
"""

from __future__ import annotations

import bisect
import ctypes
import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from core.tree.errors import TreeError
from core.tree.manifest import MOST_CPUS
from core.tree.tools import printed

PERCPU, PERCPU_STRIDE, MAX_CPUS = 0x300000000000, 0x10000, 16
"""As in shim/runtime.c."""

MOST_ARGUMENTS = 2048
"""Of an entry: the size of rt_arguments there."""

CONSTANT = re.compile(r"\s*\[\s*\d+\]\s+(\.rodata\S*|\.text|\.data\.rel\.ro\S*|\.got\S*)\s+\S+\s+(\w+)\s+\w+\s+(\w+)")
"""Sections that no thread writes to, in what readelf -SW prints."""


class RequestStruct(ctypes.Structure):
    """struct request of shim/runtime.c."""

    _fields_ = (
        ("kind", ctypes.c_char_p),
        *((name, ctypes.c_uint64) for name in ("address", "size", "a", "b", "c", "pc")),
    )


class PlaceStruct(ctypes.Structure):
    """struct place of shim/driver.h."""

    _fields_ = (("name", ctypes.c_char_p), ("address", ctypes.c_uint64), ("size", ctypes.c_uint64))


class CRequest(NamedTuple):
    """A request: `place` names the address, `site` is the place in the code, relative to the unit."""

    kind: str
    place: str
    size: int
    a: int
    b: int
    c: int
    site: int


class Snapshot(NamedTuple):
    """A suspended thread: what it asks for and all of its state, or `asked` None and what it has returned."""

    asked: CRequest | None
    sp: int = 0
    state: bytes = b""
    result: int = 0


class LoadedUnit:
    """unit.so, loaded; `owned` per-CPU variables belong to the thread."""

    def __init__(self, path: Path, owned: tuple[str, ...] = ()) -> None:
        self.path = path
        self.library = ctypes.CDLL(str(path))
        self.symbols = _symbols(path)
        start = ctypes.cast(self.library.rt_init, ctypes.c_void_p).value
        assert start is not None
        self.base = start - self.symbols["rt_init"][0]
        self.request = RequestStruct.in_dll(self.library, "request")
        for name in ("rt_start", "rt_resume", "rt_save"):
            getattr(self.library, name).restype = ctypes.c_uint64
        self.library.rt_start.argtypes = [ctypes.c_void_p, ctypes.c_uint64 * 4]
        self.library.rt_resume.argtypes = [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64]
        for name in ("rt_region", "rt_own"):
            getattr(self.library, name).argtypes = [ctypes.c_uint64, ctypes.c_uint64]
        self._saved = self.base + self.symbols["rt_saved"][0]
        self.library.rt_init()
        self._names: dict[int, str] = {}
        for name in owned:
            self._own(name)
        for first, size in _constant_sections(path):
            self.library.rt_region(self.base + first, size)

    def _own(self, name: str) -> None:
        """A per-CPU variable of this CPU, or NAME* of every CPU that a thread may see, belongs to the thread."""
        address, size = self.symbols[name.rstrip("*")]
        for cpu in range(MOST_CPUS if name.endswith("*") else 1):
            if not self.library.rt_own(PERCPU + PERCPU_STRIDE * cpu + self.base + address - self._percpu_start, size):
                raise TreeError(f"{name}: no room for what belongs to a thread; see OWNED_SIZE in shim/runtime.c")

    def set(self, symbol: str, value: int) -> None:
        """Set a constant of the machine, one of 8 bytes."""
        ctypes.c_uint64.from_address(self.base + self.symbols[symbol][0]).value = value

    def start(self, entry: str, args: tuple[int, ...]) -> Snapshot:
        """Start the function `entry` and run it to its first request."""
        if len(args) > MOST_ARGUMENTS:
            raise TreeError(f"{entry}() has {len(args)} arguments; expected {MOST_ARGUMENTS} at most")
        arguments = (ctypes.c_uint64 * MOST_ARGUMENTS)(*args)
        ctypes.memmove(self.base + self.symbols["rt_arguments"][0], arguments, ctypes.sizeof(arguments))
        function = ctypes.cast(self.library[entry], ctypes.c_void_p)
        return self._suspended(self.library.rt_start(function, (ctypes.c_uint64 * 4)(*args[:4])))

    def resume(self, at: Snapshot, answer: int) -> Snapshot:
        """Answer the request at which a thread was suspended, and run it to the next."""
        return self._suspended(self.library.rt_resume(at.sp, at.state, len(at.state), answer & (1 << 64) - 1))

    def _suspended(self, sp: int) -> Snapshot:
        if not sp:
            return Snapshot(None, result=ctypes.c_uint64.in_dll(self.library, "result").value)
        r = self.request
        kind, place = r.kind.decode(), self.name(r.address)
        asked = CRequest(kind, place, r.size, r.a, r.b, r.c, r.pc - self.base if r.pc else 0)
        return Snapshot(asked, sp, ctypes.string_at(self._saved, self.library.rt_save()))

    # ---- names ---------------------------------------------------------------------------------------------------

    @cached_property
    def _percpu_start(self) -> int:
        return self.base + self.symbols["__start_percpu"][0] if "__start_percpu" in self.symbols else 0

    @cached_property
    def _places(self) -> list[tuple[int, int, str]]:
        """The driver's places, and every symbol: (address, size, name), ordered; a place goes before a symbol."""
        symbols = [(self.base + at, size, name) for name, (at, size) in self.symbols.items() if size]
        first = PlaceStruct.in_dll(self.library, "places")
        named = []
        for place in (PlaceStruct * 512).from_address(ctypes.addressof(first)):
            if not place.name:
                break
            named.append((place.address, place.size, place.name.decode()))
        covered = {address for address, _, _ in named}
        return sorted([*named, *(one for one in symbols if one[0] not in covered)])

    def name(self, address: int) -> str:
        """The name of what stands at an address; of a per-CPU variable with its CPU."""
        if address not in self._names:
            self._names[address] = self._name(address)
        return self._names[address]

    def _name(self, address: int) -> str:
        if not address:
            return ""
        if PERCPU <= address < PERCPU + PERCPU_STRIDE * MAX_CPUS:
            cpu, offset = divmod(address - PERCPU, PERCPU_STRIDE)
            return f"{self._static_name(self._percpu_start + offset)}[cpu{cpu}]"
        return self._static_name(address)

    def _static_name(self, address: int) -> str:
        at = bisect.bisect_right(self._places, (address, 1 << 64, ""))
        for start, size, name in reversed(self._places[max(at - 8, 0) : at]):
            if start <= address < start + size:
                return name if address == start else f"{name}+{address - start}"
        return f"{address:#x}"


def _symbols(path: Path) -> dict[str, tuple[int, int]]:
    """Address and size of each symbol."""
    found = {}
    for line in printed("nm", "-S", str(path)).splitlines():
        parts = line.split()
        if len(parts) in (3, 4) and not parts[0].startswith("U"):
            size = int(parts[1], 16) if len(parts) == 4 else 0
            found[parts[-1]] = (int(parts[0], 16), size)
    return found


def _constant_sections(path: Path) -> list[tuple[int, int]]:
    matches = map(CONSTANT.match, printed("readelf", "-SW", str(path)).splitlines())
    return [(int(match[2], 16), int(match[3], 16)) for match in matches if match]
