"""Building a unit: the tree's files, cut, under the shim; compiled with access instrumentation; kept by its text.

One translation unit: the shim, the .c files of the tree, the driver.  Headers that the manifest takes from the tree are
copied; every other one that is included is a line that includes the shim, so nothing of the host or of the rest of the
tree gets in by accident.  The key under which a unit is kept is the hash of the preprocessed text: whatever does not
change that text changes nothing.

-O1 and no other level: the sequences of operations are the same from -O0 to -O2, and -Os turns a loop of x86 round.
Inline assembly that no shim has replaced would run on this machine, so a unit that still has any is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from core.tree.cut import cut, missing
from core.tree.errors import TreeError
from core.tree.helpers import More, found_for, header_name
from core.tree.kernel_tree import KernelTree, cache_directory
from core.tree.manifest import Manifest, Source, Version
from core.tree.tools import SECONDS, OutOfTime, run

SHIM = Path(str(files("core.tree").joinpath("shim")))
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
FLAGS = [
    "-O1",
    "-gdwarf-4",
    "-fPIC",
    "-std=gnu11",
    "-nostdinc",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fno-common",
    "-fno-stack-protector",
    "-fno-jump-tables",
    "-fcf-protection=none",
    "-ftrivial-auto-var-init=zero",
    "-Wno-unused",
    "-Werror=implicit-function-declaration",
    "-Werror=incompatible-pointer-types",
    "-Werror=int-conversion",
    "-fsanitize=thread",
    "--param",
    "tsan-distinguish-volatile=1",
    "--param",
    "tsan-instrument-func-entry-exit=0",
]


@dataclass(frozen=True)
class Unit:
    """A compiled unit: `directory` holds unit.so and, as they are learned, its automata."""

    name: str
    directory: Path
    version: Version

    @property
    def library(self) -> Path:
        """The shared object."""
        return self.directory / "unit.so"


@cache
def compiler() -> str:
    """The C compiler to use. TreeError if there is none that can do what is needed."""
    name = os.environ.get("CC", "gcc")
    path = shutil.which(name)
    if path is None:
        raise TreeError(f"no C compiler {name}: kernel trees need gcc 12 or later (Debian: apt-get install gcc)")
    said = run([path, "--version"]).stdout
    if "clang" in said:
        raise TreeError(f"{name} is clang; expected gcc 12 or later, for its --param tsan-distinguish-volatile")
    machine = run([path, "-dumpmachine"]).stdout
    if not machine.startswith("x86_64"):
        raise TreeError(f"{name} compiles for {machine.strip()}; the runtime under kernel C is for x86-64 only")
    return path


def build(name: str, tree: KernelTree, manifest: Manifest) -> Unit:
    """Build the unit called `name`, or find it in the cache. TreeError, in one line, if it cannot be built."""
    more, said = More(), ""
    while True:
        try:
            return _built(name, tree, manifest, more)
        except Refused as error:
            said = said or str(error)
            found = found_for(error.said, tree, manifest, more)
            if found == more:
                raise TreeError(_missing(tree, manifest) or (said if more.headers else str(error))) from None
            more = found


def _built(name: str, tree: KernelTree, manifest: Manifest, more: More) -> Unit:
    """The unit, with what its manifest does not name and its files need."""
    half = cache_directory() / "units" / f"{name}.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    try:
        text = _preprocessed(half, tree, manifest, more)
        _refuse_assembly(text)
        runtime = (SHIM / "runtime.c").read_bytes()
        key = hashlib.sha256(_plain(text).encode() + runtime + " ".join(FLAGS).encode()).hexdigest()[:16]
        place = cache_directory() / "units" / f"{name}-{tree.version}-{key}"
        if not (place / "unit.so").is_file():
            _compiled(half, place)
        return Unit(name, place, tree.version)
    finally:
        shutil.rmtree(half, ignore_errors=True)


class Refused(TreeError):
    """The compiler refuses a unit; `said` is all that it says of it."""

    def __init__(self, said: str) -> None:
        super().__init__(_first_error(said))
        self.said = said


def _missing(tree: KernelTree, manifest: Manifest) -> str:
    """What is said of the first function that is to be kept and that the tree has not."""
    return next(filter(None, (missing(tree.text(source.path), source) for source in manifest.sources)), "")


def _preprocessed(half: Path, tree: KernelTree, manifest: Manifest, more: More) -> str:
    """Write everything that is compiled to `half`, and preprocess it."""
    include = half / "include"
    include.mkdir(parents=True)
    sources = [*more.sources(), *manifest.sources]
    texts = {source: cut(tree.text(source.path), source, sorted(more.kept)) for source in sources}
    for source, text in texts.items():
        _write(include, half, source, text)
    shim = more.definitions() + (SHIM / manifest.shim).read_text(encoding="utf-8")
    (half / "arch_shim.h").write_text(shim, encoding="utf-8")
    driver = (SHIM / manifest.driver).read_text(encoding="utf-8")
    own = [shim, driver]
    for header in _included([*texts.values(), *own]):
        stub = include / header
        if not stub.exists() and not (SHIM / header).exists():
            stub.parent.mkdir(parents=True, exist_ok=True)
            stub.write_text('#include "shim.h"\n', encoding="utf-8")
    (half / "driver.c").write_text(f'#line 1 "shim/{manifest.driver}"\n{driver}', encoding="utf-8")
    headers = [header_name(source) for source in more.sources()]
    files = [part for s in manifest.sources if not s.is_header for part in (s.before, _file_name(s)) if part]
    parts = ["shim.h", *headers, *files, "driver.c"]
    (half / "unit.c").write_text("".join(f'#include "{part}"\n' for part in parts), encoding="utf-8")
    defines = [f"-D{key}={value}" for key, value in manifest.defines.items()]
    paths = ["-I", str(half), "-I", str(include), "-I", str(SHIM)]
    where = str(half / "unit.i")
    language = ["-std=gnu11", "-nostdinc", f"-DKVER={tree.version.number}"]
    _run([compiler(), "-E", *language, *defines, *paths, str(half / "unit.c"), "-o", where])
    return Path(where).read_text(encoding="utf-8")


def _write(include: Path, half: Path, source: Source, text: str) -> None:
    place = include / header_name(source) if source.is_header else half / _file_name(source)
    once = "#pragma once\n" if source.is_header and source.keep is not None else ""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f'{once}#line 1 "{source.path}"\n{text}', encoding="utf-8")


def _file_name(source: Source) -> str:
    return source.path.replace("/", "_")


def _included(texts: Iterable[str]) -> list[str]:
    return sorted({header for text in texts for header in INCLUDE.findall(text)})


def _compiled(half: Path, place: Path) -> None:
    """Compile and link, and move the result to `place`."""
    made = half / "made"
    made.mkdir()
    _run([compiler(), *FLAGS, "-c", str(half / "unit.i"), "-o", str(half / "unit.o")])
    _run([compiler(), "-O1", "-fPIC", "-c", str(SHIM / "runtime.c"), "-o", str(half / "runtime.o")])
    objects = [str(half / "unit.o"), str(half / "runtime.o")]
    _run([compiler(), "-shared", "-o", str(made / "unit.so"), *objects, "-Wl,-z,defs"])
    try:
        made.replace(place)
    except OSError:  # another process was faster
        if not (place / "unit.so").is_file():
            raise


def _run(command: list[str]) -> None:
    try:
        done = run(command)
    except OutOfTime:
        raise TreeError(f"the compiler took more than {SECONDS} s of processor time") from None
    if done.returncode:
        raise Refused(done.stderr)


def _first_error(printed: str) -> str:
    """The compiler's first complaint, without the cache's paths."""
    for line in printed.splitlines():
        found = re.search(
            r"(?:^|/)((?:arch|include|mm|kernel|shim)/[^:\s]+:\d+)(?::\d+)?: (?:fatal )?(?:error: |Error: )(.*)", line
        )
        if found:
            ours = found[1].startswith("shim/")
            called = re.match(r"implicit declaration of function \W(\w+)", found[2])
            if ours and called:
                return f"no function {called[1]}(), which {found[1]} calls; was it renamed, or is it another version's?"
            more = "; was it changed, or is the tree not of its Makefile's version?" if ours else ""
            return f"{found[1]}: does not compile: {found[2]}{more}"
    missing = re.search(r"undefined reference to .(\w+)", printed)
    if missing:
        return f"does not link: nothing defines {missing[1]}(); the manifest has to keep it, or the shim to define it"
    told = next((line for line in printed.splitlines() if "rror" in line), printed.strip() or "no message")
    return f"does not compile: {' '.join(told.split())}"


_ASM = re.compile(r"\b(?:asm|__asm__|__asm)\b(?:\s|volatile|__volatile__|goto|inline|__inline__|__inline)*\(\s*")
_BARRIER = re.compile(r'""\s*:\s*:\s*:\s*"memory"\s*\)')


def _refuse_assembly(text: str) -> None:
    """TreeError if inline assembly is left, other than a compiler barrier, on one line or on several."""
    lines = list(_lines(text))
    whole = "\n".join(line for _, line in lines)
    for found in _ASM.finditer(whole):
        if not _BARRIER.match(whole, found.end()):
            where, line = lines[whole.count("\n", 0, found.start())]
            raise TreeError(f"{where}: assembly without a shim: {' '.join(line.split())[:100]}")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line of a preprocessed text with its place in the sources."""
    path, number = "", 0
    for line in text.splitlines():
        marker = re.match(r'# (\d+) "([^"]*)"', line)
        if marker:
            number, path = int(marker[1]), marker[2]
            continue
        yield f"{path}:{number}", line
        number += 1


def _plain(text: str) -> str:
    """The preprocessed text without the directories that it was made in, and that this project is in."""
    made_in = rf'(# \d+ ")(?:[^"]*/units/[^/"]*|{re.escape(str(SHIM))})/'
    return re.sub(f"^{made_in}", r"\1", text, flags=re.MULTILINE)
