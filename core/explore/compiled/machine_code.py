"""The inner loops as machine code: compiled once for each number of words, kept on disk, loaded without numba.

An object file depends on the source of the loops, the compiler and the processor; its name contains a digest of these.
It is kept beside this module if that directory is writable, else in the user's cache directory; a child with foreign
code, which writes neither because others run what is there, keeps it in a directory of its own.  It begins with a
digest of its contents, so that a damaged file is compiled again; so is one that somebody else could have written.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from core.base.caches import cache, own_cache

HERE = Path(__file__).parent

SOURCES = (
    "arrays",
    "shared",
    "words",
    "state_table",
    "steps",
    "canonical",
    "successors",
    "tickets",
    "blocks",
    "parallel",
    "waiting",
    "loops",
    "machine_code",
)

Loop = Callable[..., int]


class Loops:
    """The loops of `core.explore.compiled.loops` for states of `words` words; each is loaded when first called."""

    def __init__(self, words: int) -> None:
        self._words = words
        self._engines: list[Any] = []  # an engine owns its code

    def __getattr__(self, name: str) -> Loop:
        found = self._load(name)
        setattr(self, name, found)
        return found

    def _load(self, name: str) -> Loop:
        stored = _kept(name, self._words) or _keep(name, self._words, _compiled(name, self._words))
        head, _, code = stored.partition(b"\n")
        symbol, numbers = head.decode().split()
        binding = _binding()
        engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())
        engine.add_object_file(binding.object_file.ObjectFileRef.from_data(code))
        engine.finalize_object()
        self._engines.append(engine)
        return _function(engine.get_function_address(symbol), int(numbers))


def _function(address: int, numbers: int) -> Loop:
    """A function at an address, by numba's calling convention: result pointer, exception pointer, arguments."""
    pointers = [ctypes.c_void_p, ctypes.c_void_p]
    code = ctypes.CFUNCTYPE(ctypes.c_int32, *pointers, *[ctypes.c_int64] * (1 + numbers))(address)
    exception = ctypes.c_void_p()

    def call(*arguments: int) -> int:
        result = ctypes.c_int64()
        code(ctypes.addressof(result), ctypes.addressof(exception), *arguments)
        return result.value

    return call


@lru_cache
def loops(words: int) -> Loops:
    """The loops for states of `words` words."""
    return Loops(words)


@lru_cache
def _binding() -> Any:
    binding: Any = import_module("llvmlite.binding")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


def _machine() -> Any:
    binding = _binding()
    target = binding.Target.from_triple(binding.get_process_triple())
    features = binding.get_host_cpu_features().flatten()
    return target.create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=3, reloc="pic", codemodel="jitdefault"
    )


def _compiled(name: str, words: int) -> bytes:
    """A line with the symbol and the number of arguments, then the object file. Only this function needs numba."""
    source: Any = import_module("core.explore.compiled.loops")
    memory: Any = import_module("core.explore.compiled.words")
    loop, numbers = source.LOOPS[name]
    function = memory.numba.njit(**memory.OPTIONS)(source.entry(loop, numbers, words))
    signature = (memory.int64,) * (1 + numbers)
    function.compile(signature)
    built = function.overloads[signature]
    module = _binding().parse_assembly(built.library.get_llvm_str())
    return f"{built.fndesc.llvm_func_name} {numbers}\n".encode() + bytes(_machine().emit_object(module))


@lru_cache
def _digest() -> str:
    """A digest of everything that the machine code depends on."""
    binding = _binding()
    parts = (import_module("llvmlite").__version__, binding.get_process_triple(), binding.get_host_cpu_name())
    digest = hashlib.sha256(" ".join((*parts, binding.get_host_cpu_features().flatten())).encode())
    for name in SOURCES:
        digest.update((HERE / f"{name}.py").read_bytes())
    return digest.hexdigest()[:32]


def _places(name: str, words: int) -> list[Path]:
    places = [place for place in (cache(), own_cache()) if place is not None]
    return [place / f"{name}-{words}.{_digest()}.o" for place in places]


def _kept(name: str, words: int) -> bytes:
    for path in _places(name, words):
        try:
            with path.open("rb") as file:
                stored = file.read() if _is_ours(os.fstat(file.fileno())) else b""
        except OSError:
            continue
        digest, stored = stored[:32], stored[32:]
        if hashlib.sha256(stored).digest() == digest:
            return stored
    return b""


def _is_ours(file: os.stat_result) -> bool:
    """Could nobody but this user and root have written it?  What it holds is run."""
    return file.st_uid in (0, os.geteuid()) and not file.st_mode & 0o022


def _keep(name: str, words: int, stored: bytes) -> bytes:
    """Write `stored` atomically to the first directory that is writable."""
    for path in _places(name, words):
        written = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(hashlib.sha256(stored).digest() + stored)
            written.chmod(0o644)
            written.replace(path)
        except OSError:
            continue
        break
    return stored
