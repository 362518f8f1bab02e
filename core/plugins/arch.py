"""An architecture as the core sees it: a plugin on top of the generic one, its facts, and its resolved hooks.

pluggy checks hook names and arguments.  What it would accept is checked here: a misspelt hook that matches no
specification, an async hook where a plain one is specified.  Hooks are resolved once.  If several implementations exist
the one registered last is used, because a hook is overridden, never declined.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import pluggy

from core.base.errortext import describe, short
from core.base.suggest import nearest
from core.base.version import WORDS_VERSION, fulfilled
from core.facts import first_wrong
from core.hookspecs import PROJECT, SPECS, ArchSpec, Facts, hookimpl, is_program
from core.plugins.load import PluginError, load_object
from core.plugins.out_of_scope import OUT_OF_SCOPE
from core.plugins.parts import shipped

REMOVED_ARGUMENTS = {
    ("flush_tlb_range", "freed_tables"): "whether tables were freed stands in the gather of tlb_flush(tlb)",
    ("arch_tlbbatch_add_pending", "addr"): "several entries may be added at once, those from start to end",
    ("switch_mm", "mm"): "what was mm is next, or None if the model does not know it",
}
"""(hook, argument) -> where what it said is found now.  pluggy would take one that has a default, and never pass it."""


class Hooks(SimpleNamespace):
    """The resolved hooks by name, which never change: equal to themselves alone."""

    __shootdown_entity__ = True
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]  # of what it inherits, instances have none


@dataclass(frozen=True, eq=False)
class Arch:
    """A plugin that has been set up.

    `source` is where it came from, `facts` describe the architecture, `hook.<name>(**arguments)` calls a hook,
    `plugin` is the object itself, and `own` are the hooks that it has itself: all others are the generic ones.
    """

    __shootdown_entity__ = True

    name: str
    source: str
    facts: Facts
    hook: ArchSpec
    plugin: object = None
    own: frozenset[str] = frozenset()


def set_up(name: str, plugin: object, source: str, facts: dict[str, Any] | None = None) -> Arch:
    """Set up `plugin` on top of the generic architecture, with some of its facts replaced by `facts`.

    PluginError if it requires another version of hooks and words (`requires`), has no hooks, misspells one, has a hook
    with wrong arguments or of the wrong kind (async or not), keeps an iterator (core.plugins.hidden_state), or if its
    facts raise or are invalid (core.facts).
    """
    from arch_plugins.generic import Generic

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ArchSpec)
    _check_version(name, plugin)
    _check_hooks(name, plugin)
    if not shipped(plugin):
        from core.plugins.hidden_state import hidden_state  # loads what a plugin may not use

        hidden = hidden_state(plugin)
        if hidden:
            raise PluginError(f"plugin {name} ({source}): {hidden}")
    for part, label in ((Generic(), f"generic, under {name}"), (plugin, name)):
        try:
            manager.register(part, label)
        except pluggy.PluginValidationError as error:
            raise PluginError(f"plugin {name} ({source}): {' '.join(str(error).split())}") from error
    hook = cast(ArchSpec, Hooks(**{h: _resolve(manager, h) for h in SPECS}))
    own = _facts(name, source, hook.arch_facts)
    try:
        own = _replace(own, facts or {})
    except TypeError as error:
        raise PluginError(f"architecture {name}: {error}") from error
    problem = first_wrong(own)
    if problem:
        raise PluginError(f"plugin {name} ({source}): facts.{problem}")
    mine = frozenset(h for h in SPECS if getattr(manager.hook, h).get_hookimpls()[-1].plugin is plugin)
    return Arch(name, source, own, hook, plugin, mine)


def _facts(name: str, source: str, arch_facts: Callable[[], Any]) -> Facts:
    try:
        facts = arch_facts()
    except Exception as error:
        raise PluginError(f"plugin {name} ({source}): hook arch_facts raised {describe(error)}") from error
    if not isinstance(facts, Facts):
        raise PluginError(f"plugin {name} ({source}): hook arch_facts returned {facts!r}, expected Facts")
    return facts


def _replace(facts: Facts, changes: dict[str, Any]) -> Facts:
    from dataclasses import replace

    return replace(facts, **changes)


def requires(plugin: object) -> str:
    """What a plugin says in its attribute `requires` of the version of hooks and words, as in '>=1.2'; '' if nothing.

    PluginError if that is no such condition.
    """
    said = getattr(plugin, "requires", "")
    if not isinstance(said, str):
        raise PluginError(f"requires: expected a string such as '>={WORDS_VERSION}', got {short(repr(said))}")
    try:
        fulfilled(said, WORDS_VERSION)
    except ValueError as error:
        raise PluginError(f"requires: {error}") from None
    return said


def optional_unknown(plugin: object) -> tuple[str, ...]:
    """The hooks of a plugin that this version does not have, and that are marked @hookimpl(optionalhook=True)."""
    members = {a: getattr(plugin, a, None) for a in dir(plugin) if not a.startswith("__")}
    return tuple(a for a, member in members.items() if a not in SPECS and _is_optional(member))


def _is_optional(member: object) -> bool:
    options = getattr(member, f"{PROJECT}_impl", None)
    return isinstance(options, dict) and bool(options.get("optionalhook"))


def _check_version(name: str, plugin: object) -> None:
    """PluginError if the plugin needs hooks or words of another version: said before its hooks are looked at."""
    try:
        needed = requires(plugin)
    except PluginError as error:
        raise PluginError(f"plugin {name}: {error}") from None
    if not fulfilled(needed, WORDS_VERSION):
        raise PluginError(
            f"plugin {name}: it requires hooks and words {needed}, and this is Shootdown with {WORDS_VERSION}: "
            f"install a Shootdown that has them, or a version of the plugin for {WORDS_VERSION} (docs/versions.md)"
        )


def _check_hooks(name: str, plugin: object) -> None:
    """Check that there is a hook, and that all that is marked or named like one is a valid hook. PluginError."""
    members = {a: getattr(plugin, a, None) for a in dir(plugin) if not a.startswith("__")}
    marked = {a for a, member in members.items() if getattr(member, f"{PROJECT}_impl", None) is not None}
    for attribute, member in members.items():
        problem = _wrong_hook(attribute, member) if attribute in marked else _forgotten_mark(attribute, member)
        if problem:
            raise PluginError(f"plugin {name}: {problem}")
    if not marked:
        raise PluginError(
            f"plugin {name}: {_short(plugin)} is no architecture: expected an object with at least one method that is "
            f"marked @hookimpl and named like a hook of core.hookspecs"
        )


def _wrong_hook(attribute: str, member: Any) -> str:
    """What is wrong with a function marked @hookimpl; '' if nothing."""
    if attribute not in SPECS and _is_optional(member):
        return ""
    if attribute in OUT_OF_SCOPE:
        return f"{attribute} is no hook: {OUT_OF_SCOPE[attribute]}"
    if attribute not in SPECS:
        near = nearest(attribute, SPECS, 0.5)
        return f"there is no hook {attribute}" + (f"; did you mean {near}?" if near else "")
    if inspect.iscoroutinefunction(member) != is_program(attribute):
        kind = "a program (async def)" if is_program(attribute) else "a plain def"
        return f"hook {attribute} must be {kind}"
    parameters = inspect.signature(member).parameters
    for name in parameters:
        if (attribute, name) in REMOVED_ARGUMENTS:
            form = ", ".join(_arguments(attribute))
            return (
                f"hook {attribute} has no {name} any more: it is {attribute}({form}); "
                f"{REMOVED_ARGUMENTS[attribute, name]}"
            )
    taken = [p.name for p in parameters.values() if p.default is p.empty]
    unknown = [name for name in taken if name not in _arguments(attribute)]
    if unknown:
        return (
            f"hook {attribute} takes {', '.join(unknown)}; expected of {', '.join(_arguments(attribute)) or 'nothing'}"
        )
    return ""


@cache
def _nearest_hook(attribute: str) -> str:
    """The hook whose name is almost `attribute`, or ''. Kept, because a plugin is set up again for each cell."""
    return nearest(attribute, SPECS, 0.9)


def _forgotten_mark(attribute: str, member: Any) -> str:
    """The problem with an unmarked member that has a hook's name, or almost; '' if there is none.

    A helper may have a similar name (x86's flush_tlb_mm_range()).  A function whose name is one letter off and that
    takes exactly the hook's arguments is taken for a misspelling.
    """
    if attribute in SPECS:
        return f"{attribute} is a hook's name but is not marked @hookimpl"
    near = _nearest_hook(attribute)
    if not near or abs(len(near) - len(attribute)) > 1 or not inspect.isroutine(member):
        return ""
    try:
        same = list(inspect.signature(member).parameters) == _arguments(near)
    except (TypeError, ValueError):
        return ""
    return f"{attribute} is no hook and not marked @hookimpl; did you mean {near}?" if same else ""


@cache
def _arguments(hook: str) -> list[str]:
    return list(inspect.signature(SPECS[hook]).parameters)[1:]


def _short(plugin: object) -> str:
    name, shown = getattr(plugin, "__qualname__", ""), repr(plugin)
    if name or " at 0x" in shown:  # leave out addresses, which differ from run to run
        kind = f"a {type(plugin).__name__}"
        return f"{name} ({kind})" if name else kind
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _resolve(manager: pluggy.PluginManager, hook: str) -> Callable[..., Any]:
    impl = getattr(manager.hook, hook).get_hookimpls()[-1]
    function, names = impl.function, impl.argnames
    if list(names) == _arguments(hook):
        resolved: Callable[..., Any] = function
        return resolved
    return lambda **given: function(**{n: given[n] for n in names})


__all__ = ["Arch", "PluginError", "hookimpl", "load_object", "set_up"]
