"""What a unit needs besides what its manifest names, by what the compiler misses.

A patch moves code to a function of its own, renames what only its own file calls, adds a helper to a header, a trace
point, or a configuration symbol.  So a name that nothing defines is looked for, in this order: in the files of which
only some names are kept; among what means nothing (a trace point, an option that is not set); in the headers that the
files include.  What the shim defines is never looked for, so a primitive with a meaning keeps it.

Data types
    More          names that are `kept`, as a manifest writes them; what means `nothing`; names of `headers`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from core.tree.cut import cut, spans
from core.tree.kernel_tree import KernelTree
from core.tree.manifest import Manifest, Source

UNKNOWN = re.compile(r"implicit declaration of function \W(\w+)|error: \W(\w+)\W undeclared")
"""What the compiler says of a name that nothing defines."""

NOTHING = re.compile(r"trace_\w+|CONFIG_\w+")
"""A trace point, or an option that is not set."""

INCLUDED = re.compile(r"^#include <((?:linux|asm|asm-generic)/[\w/.-]+\.h)>", re.MULTILINE)
ARCH = re.compile(r"arch/\w+/")


@dataclass(frozen=True)
class More:
    """What a unit has besides the names of its manifest."""

    kept: frozenset[str] = frozenset()
    nothing: frozenset[str] = frozenset()
    headers: tuple[tuple[str, frozenset[str]], ...] = field(default=())

    def sources(self) -> list[Source]:
        """The headers, cut."""
        return [Source(path, keep=tuple(f"?{name}" for name in sorted(names))) for path, names in self.headers]

    def definitions(self) -> str:
        """What means nothing, in C."""
        return "".join(f"#define {name}{'(...)' if name[0] == 't' else ''} 0\n" for name in sorted(self.nothing))


def header_name(source: Source) -> str:
    """How others include a header."""
    return source.name or re.sub(r"^(arch/\w+/)?include/", "", source.path)


def found_for(said: str, tree: KernelTree, manifest: Manifest, more: More) -> More:
    """`more` with what the compiler misses, as far as it is found."""
    words = {called or word for called, word in UNKNOWN.findall(said)}
    partly = [source for source in manifest.sources if source.keep is not None]
    kept = more.kept | _in_files(words, partly, tree) | _structures(said, partly, tree, more.kept)
    if kept != more.kept:
        return replace(more, kept=kept)
    nothing = more.nothing | {word for word in words if NOTHING.fullmatch(word)}
    if nothing != more.nothing:
        return replace(more, nothing=nothing)
    return _in_headers(words, tree, manifest, more)


def _ways(word: str) -> tuple[str, ...]:
    """A function, a macro, or what a statement at top level declares."""
    return word, f"#{word}", f";{word}"


def _in_files(words: Iterable[str], partly: list[Source], tree: KernelTree) -> set[str]:
    """Names that a file has of which only some names are kept."""
    found: set[str] = set()
    for word in words:
        there = (way for way in _ways(word) if any(spans(tree.text(s.path), f"?{way}", s.path) for s in partly))
        found.update(islice(there, 1))
    return found


def _structures(said: str, partly: list[Source], tree: KernelTree, kept: frozenset[str]) -> set[str]:
    """Structures of such a file, if one is not known."""
    if "incomplete type" not in said and "undefined type" not in said:
        return set()
    texts = [(source, tree.text(source.path)) for source in partly]
    named = {one for source, text in texts for one in re.findall(r"struct \w+", cut(text, source, kept))}
    return {one for one in named if any(spans(text, f"?{one}", source.path) for source, text in texts)}


def _in_headers(words: Iterable[str], tree: KernelTree, manifest: Manifest, more: More) -> More:
    """Functions and macros of the headers that the unit's files include."""
    headers = dict(more.headers)
    for word in words:
        for path in _includes(tree, manifest):
            text = tree.text(path)
            way = next((way for way in (word, f"#{word}") if word in text and spans(text, f"?{way}", path)), None)
            if way is not None:
                headers[path] = headers.get(path, frozenset()) | {way}
                break
    return replace(more, headers=tuple(sorted(headers.items())))


def _includes(tree: KernelTree, manifest: Manifest) -> Iterator[str]:
    """The headers of the tree that the files of a manifest include and that it does not name."""
    named = {source.path for source in manifest.sources}
    arch = next((found[0] for found in map(ARCH.match, sorted(named)) if found), "")
    seen: set[str] = set()
    for source in manifest.sources:
        for header in INCLUDED.findall(tree.text(source.path)):
            path = f"{arch if header.startswith('asm/') else ''}include/{header}"
            if path not in named and path not in seen and (tree.root / path).is_file():
                seen.add(path)
                yield path
