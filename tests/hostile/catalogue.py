"""Hostile plugins: what each does (the harm), and when it does it (the moment); every harm at every moment is one.

A harm is the body of a function.  It may do whatever it likes to the plugin's own verdict, and nothing to that of
others.  What starts processes starts at most fifty, so that a containment that does not work costs no machine.
"""

from __future__ import annotations

from textwrap import indent

HARMS = {
    "raises": "raise OSError('no')",
    "raises a subclass of BaseException": "raise type('Odd', (BaseException,), {})()",
    "exits": "raise SystemExit(0)",
    "exits at once": "os._exit(0)",
    "interrupts itself": "raise KeyboardInterrupt",
    "aborts": "os.abort()",
    "reads from nowhere": "ctypes.string_at(0)",
    "kills itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "kills its group": "os.killpg(0, signal.SIGKILL)",
    "kills its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "stops its parent": "os.kill(os.getppid(), signal.SIGSTOP)",
    "kills everybody": "os.kill(-1, signal.SIGKILL)",
    "interrupts everybody": "os.kill(-1, signal.SIGINT)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "hangs": "while True: pass",
    "hangs and is deaf": "for n in (1, 2, 10, 12, 14, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
    "hangs in C": "ctypes.CDLL(None).sleep(1000)",
    "forks": "for _ in range(50):\n    if os.fork() == 0: time.sleep(1000)",
    "leaves an orphan": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)\n    os._exit(0)",
    "leaves a thread": "threading.Thread(target=time.sleep, args=(1000,)).start()",
    "hangs at exit": "atexit.register(time.sleep, 1000)",
    "closes everything": "os.closerange(0, 256)",
    "writes everywhere": "for fd in range(3, 64):\n    try: os.write(fd, b'pass\\n{}\\n')\n    except OSError: pass",
    "prints escapes": "print('\\x1b[2J\\x1b[31m\\udcff\\x07')",
    "prints much": "print('x' * 10_000_000)",
    "eats memory": "kept = [bytearray(1 << 30) for _ in range(1 << 16)]",
    "recurses": "(lambda f: f(f))(lambda f: f(f))",
    "lifts its limits": "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
    "changes the rows' plugin": "Smp.tlb_delay_rmap = lambda self: False",
    "changes the judge": "import core.conformance.judge as j\nj.judge = None\nj.check = None",
    "changes the table": "import core.table.jobs as j\nj.VerdictJob.run = lambda self: self.failed('mine')",
    "changes the format": "json.dumps = lambda *a, **k: '{}'\njson.loads = None",
    "changes builtins": "import builtins\nbuiltins.isinstance = lambda *a: True",
    "removes modules": "sys.modules.clear()",
    "collects no garbage": "gc.disable()\ngc.freeze()",
    "changes directory": "os.chdir('/')",
    "changes the environment": "os.environ.clear()\nsys.path.clear()",
    "overwrites the suite": "open(core.__file__, 'a').write('x')",
    "overwrites a plugin": "import arch_plugins.generic as g\nopen(g.__file__, 'a').write('x')",
    "reads standard input": "sys.stdin.read()",
}

REACHES_OUT = ("kills its parent", "kills everybody", "leaves an orphan", "forks", "overwrites the suite", "hangs")
"""Harms that try each thing that contains a plugin."""

MOMENTS = ("as it is imported", "as it is made", "as it is asked for its facts", "in a hook")
"""When the harm is done."""

HEAD = """
import atexit, ctypes, gc, json, os, resource, signal, sys, threading, time
import core
from arch_plugins.generic import Smp
from core.hookspecs import hookimpl

def harm():
"""

PLUGINS = {
    "as it is imported": """
harm()

class Hostile(Smp):
    pass
""",
    "as it is made": """
class Hostile(Smp):
    def __init__(self):
        harm()
""",
    "as it is asked for its facts": """
class Hostile(Smp):
    @hookimpl
    def arch_facts(self):
        harm()
        return super().arch_facts()
""",
    "in a hook": """
class Hostile(Smp):
    @hookimpl
    async def tlb_flush(self, tlb):
        harm()
        await super().tlb_flush(tlb)
""",
}
"""The plugin, which has the function `harm`, by the moment."""


def plugin(harm: str, moment: str) -> str:
    """The text of a plugin that does `harm`, the body of a function, at that moment; its class is `Hostile`."""
    return HEAD + indent(harm, "    ") + "\n" + PLUGINS[moment]


def text(harm: str, moment: str) -> str:
    """The text of the plugin that does a harm of the catalogue."""
    return plugin(HARMS[harm], moment)
