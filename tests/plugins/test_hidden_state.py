"""State that hides is refused by name as the plugin is set up, or found by comparing; and what is no state passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.conformance import SUITE, judge
from core.mm.era import ERAS
from core.plugins.arch import PluginError, set_up
from core.plugins.load import load_object

HEAD = """
from __future__ import annotations
import array, builtins, collections, contextvars, ctypes, datetime, dataclasses, enum, functools, gc, io, itertools, os
import queue, random, sys, threading, time, types, uuid, weakref
from arch_plugins.generic import Smp, flush_by_ipi
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
import core.mm.mm
LONG = 1_000_000
class Slots:
    __slots__ = ("n",)
    def __init__(self, n): self.n = n
class Meta(type):
    n = 0
class Made(metaclass=Meta):
    pass
"""

POLICY = """
class Policy(Smp):
    @hookimpl
    async def flush_tlb_range(self, mm, start, end, stride):
        if goes_on():
            await flush_by_ipi(mm, FlushRequest(start, end))
"""

REFUSED = {
    "a clock": ("def goes_on(): return time.time() > 0", "goes_on() uses time.time"),
    "a clock by name": ("from time import monotonic_ns as now\ndef goes_on(): return now() > 0", "uses now() of time"),
    "the date": ("def goes_on(): return datetime.datetime.now().year > 0", "goes_on() uses datetime.now"),
    "dice": ("def goes_on(): return random.random() < 1", "goes_on() uses random.random"),
    "dice of its own": ("R = random.Random(1).random\ndef goes_on(): return R() < 1", "is a random.Random"),
    "dice of the system": ("def goes_on(): return os.urandom(1) != b''", "goes_on() uses os.urandom"),
    "an id": ("def goes_on(): return uuid.uuid4().int >= 0", "goes_on() uses uuid.uuid4"),
    "an address": ("def goes_on(): return id(object()) != 7", "uses id() of builtins"),
    "the collector": ("def goes_on(): return len(gc.get_objects()) > 0", "goes_on() uses gc.get_objects"),
    "the environment": ("def goes_on(): return 'X' not in os.environ", "goes_on() uses os.environ"),
    "a file": ("def goes_on(): return open('/dev/null') is not None", "uses open() of io"),
    "an import within": ("def goes_on():\n    import random\n    return random.random() < 1", "goes_on() uses random"),
    "a module of Python's": ("def goes_on():\n    sys.n = 1\n    return True", "goes_on() sets sys.n"),
    "builtins": ("def goes_on():\n    builtins.n = 1\n    return True", "goes_on() sets builtins.n"),
    "a module of the kernel": ("def goes_on():\n    core.mm.mm.n = 1\n    return True", "goes_on() sets core.mm.mm.n"),
    "a class of others": ("def goes_on():\n    Smp.n = 1\n    return True", "goes_on() sets Smp.n"),
    "a context variable": (
        "V = contextvars.ContextVar('V')\ndef goes_on(): return V.get(0) < LONG",
        "is a _contextvars.ContextVar",
    ),
    "a thread's own": ("T = threading.local()\ndef goes_on(): return T is not None", "is a _thread._local"),
    "a lock": ("L = threading.Lock()\ndef goes_on(): return not L.locked()", "is a _thread.lock"),
    "a queue": ("Q = queue.SimpleQueue()\ndef goes_on(): return Q.qsize() < LONG", "is a _queue.SimpleQueue"),
    "a weak reference": ("W = weakref.ref(Made)\ndef goes_on(): return W() is not None", "is a weakref.ReferenceType"),
    "a weak dictionary": (
        "W = weakref.WeakKeyDictionary()\ndef goes_on(): return not W",
        "is a weakref.WeakKeyDictionary",
    ),
    "a word of C": ("C = ctypes.c_long(0)\ndef goes_on(): return C.value < LONG", "is a ctypes.c_long"),
    "a file in memory": ("B = io.BytesIO()\ndef goes_on(): return B.tell() < LONG", "is a _io.BytesIO"),
    "a bound method": (
        "N = itertools.count().__next__\ndef goes_on(): return N() < LONG",
        "N belongs to is a itertools.count",
    ),
    "in a deque": (
        "D = collections.deque([itertools.count()])\ndef goes_on(): return next(D[0]) < LONG",
        "mine.D[0] is a itertools.count",
    ),
    "in a read-only mapping": (
        "M = types.MappingProxyType({'c': itertools.count()})\ndef goes_on(): return next(M['c']) < LONG",
        "mine.M['c'] is a",
    ),
    "in a slot": (
        "S = Slots(itertools.count())\ndef goes_on(): return next(S.n) < LONG",
        "mine.S.n is a itertools.count",
    ),
    "a cache's counts": (
        "@functools.lru_cache\ndef f(x): return x\ndef goes_on(): return f.cache_info().hits < LONG",
        "asks how often a cache was used",
    ),
}

CHANGED = {
    "a global": ("G = 0\ndef goes_on():\n    global G\n    G += 1\n    return G < LONG", "mine.G changed"),
    "a closure": (
        "def made():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n        return n < LONG\n"
        "    return f\ngoes_on = made()",
        "mine.goes_on changed",
    ),
    "a deque": (
        "D = collections.deque(range(9))\ndef goes_on():\n    D.rotate(1)\n    return D[0] < LONG",
        "mine.D changed",
    ),
    "a Counter": ("C = collections.Counter()\ndef goes_on():\n    C[1] += 1\n    return C[1] < LONG", "mine.C changed"),
    "a defaultdict": (
        "C = collections.defaultdict(int)\ndef goes_on():\n    C[1] += 1\n    return C[1] < LONG",
        "mine.C changed",
    ),
    "an array": ("A = array.array('q', [0])\ndef goes_on():\n    A[0] += 1\n    return A[0] < LONG", "mine.A changed"),
    "a slot": ("S = Slots(0)\ndef goes_on():\n    S.n += 1\n    return S.n < LONG", "mine.S changed"),
    "a namespace": (
        "S = types.SimpleNamespace(n=0)\ndef goes_on():\n    S.n += 1\n    return S.n < LONG",
        "mine.S changed",
    ),
    "a partial": (
        "def f(d):\n    d['n'] = d.get('n', 0) + 1\n    return d['n'] < LONG\ngoes_on = functools.partial(f, {})",
        "mine.goes_on changed",
    ),
    "a metaclass": (
        "def goes_on():\n    setattr(Meta, 'n', Meta.n + 1)\n    return Meta.n < LONG",
        "mine.Meta changed",
    ),
    "a keyword's default": ("def goes_on(*, d=[0]):\n    d[0] += 1\n    return d[0] < LONG", "mine.goes_on changed"),
}

FINE = {
    "constants": "TABLE = {1: [2, 3]}\ndef goes_on(): return 3 in TABLE[1]",
    "a dataclass": "@dataclasses.dataclass\nclass D:\n    n: int = 1\ndef goes_on(): return repr(D()) != ''",
    "an enumeration": "class E(enum.Enum):\n    A = 1\ndef goes_on(): return E.A.value == 1",
    "a cache": "@functools.lru_cache\ndef f(x): return x\ndef goes_on(): return f(1) == 1",
    "an iterator of one call": "def goes_on(): return next(itertools.count()) == 0",
    "modules that no hook uses": "def elsewhere(): return time.time(), os.environ\ndef goes_on(): return True",
    "a partial of a constant": "goes_on = functools.partial(bool, 1)",
    "a deque that stays": "D = collections.deque([1])\ndef goes_on(): return D[0] == 1",
}


def loaded(tmp_path: Path, text: str) -> object:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + text + "\n" + POLICY)
    return load_object(f"{file}:Policy")


@pytest.mark.parametrize("how", REFUSED)
def test_it_is_refused_by_name(how: str, tmp_path: Path) -> None:
    text, message = REFUSED[how]
    with pytest.raises(PluginError) as error:
        set_up("mine", loaded(tmp_path, text), "tests")
    assert message in str(error.value)


@pytest.mark.parametrize("how", CHANGED)
def test_it_is_found_by_comparing(how: str, tmp_path: Path) -> None:
    text, message = CHANGED[how]
    result = judge(set_up("mine", loaded(tmp_path, text), "tests"), ERAS["6.12"], SUITE["use-after-free"])
    assert result.verdict == "error"
    assert message.removesuffix(" changed") in result.reason
    assert "changed: the plugin keeps state" in result.reason


@pytest.mark.parametrize("how", FINE)
def test_what_is_no_state_passes(how: str, tmp_path: Path) -> None:
    result = judge(set_up("mine", loaded(tmp_path, FINE[how]), "tests"), ERAS["6.12"], SUITE["use-after-free"])
    assert (result.verdict, result.reason) == ("pass", "")
