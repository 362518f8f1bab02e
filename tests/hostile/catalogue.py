"""Hostile plugins: what each does (the harm), and when it does it (the moment); every harm at every moment is one.

A harm is the body of a function.  It may do whatever it likes to the plugin's own verdict, and nothing to that of
others.  What starts processes starts at most fifty, so that a containment that does not work costs no machine.
"""

from __future__ import annotations

from textwrap import indent

ORPHAN = "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)\n    os._exit(0)"

EVERYWHERE = """for fd in range(3, 64):
    try: os.write(fd, {what})
    except OSError: pass"""
"""Into every descriptor that the plugin has; one of them is where answers are written."""

LEAVES = """
import site
text = "import sys\\nsys.exit(3)"
root, here = os.path.dirname(os.path.dirname(core.__file__)), os.path.dirname(__file__)
places = [root, here, site.getusersitepackages(), os.getcwd()]
for place in places:
    for name in ("random.py", "sitecustomize.py", "usercustomize.py", "tomli.py", "statistics.py"):
        try:
            os.makedirs(place, exist_ok=True)
            open(os.path.join(place, name), "x").write(text)
        except OSError:
            pass
"""
"""Modules that other interpreters find before or beside their own."""

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
    "leaves an orphan": ORPHAN,
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
    "raises GeneratorExit": "raise GeneratorExit",
    "outlives its parent": "ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n" + ORPHAN,
    "forks as it is deleted": "class Last:\n    def __del__(self): os.fork() or time.sleep(1000)\nLast()\n"
    "globals()['last'] = Last()",
    "becomes another program": "os.execv('/bin/sleep', ['sleep', '1000'])",
    "starts a thousand threads": "for _ in range(1000): threading.Thread(target=time.sleep, args=(1000,)).start()",
    "traces its parent": "assert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0\ntime.sleep(1000)",
    "writes its parent's memory": "for way in ('mem', 'cmdline', 'oom_score_adj', 'fd/0', 'fd/1', 'fd/3'):\n"
    "    try: open(f'/proc/{os.getppid()}/{way}', 'r+b').write(b'0')\n    except OSError: pass",
    "ends its parent by a limit": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))\n"
    "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))",
    "slows its parent down": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)\n"
    "os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))",
    "signals by a file": "r, w = os.pipe()\nfor who in (os.getppid(), -os.getppid()):\n    fcntl.fcntl(r, 8, who)\n"
    "    fcntl.fcntl(r, 10, 9)\n    fcntl.fcntl(r, 4, fcntl.fcntl(r, 3) | 0o20000)\n    os.write(w, b'x')",
    "answers for another row": "from core.base import plain\nfrom core.conformance import Result\n"
    "lie = Result('smp-6.2-fix', 'lost-dirty-munmap', 'required', 'fail', 'mine')\n"
    "line = plain.dump(Result, lie).encode() + b'\\n'\n" + EVERYWHERE.format(what="line * 50"),
    "answers without an end": "while True:\n    " + EVERYWHERE.format(what="b'x' * (1 << 20)").replace("\n", "\n    "),
    "answers a JSON bomb": EVERYWHERE.format(what="b'[' * 5_000_000 + b'1e999999999' + b'\\n'"),
    "answers what is no text": EVERYWHERE.format(what="b'\\xff\\x00\\n' * 100"),
    "takes the descriptors of others": "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
    "    if int(pid) != os.getpid():\n        for n in range(3, 16):\n"
    "            try: os.write(os.open(f'/proc/{pid}/fd/{n}', os.O_WRONLY | os.O_NONBLOCK), b'{}\\n')\n"
    "            except OSError: pass",
    "puts modules in place of others": "for name in ('json', 'core.base.plain', 'core.conformance.judge', 'pickle'):\n"
    "    sys.modules[name] = type(sys)('empty')",
    "leaves modules to be found": LEAVES,
    "removes the reports": "import shutil\nfor name in ('out', '.'):\n"
    "    shutil.rmtree(os.path.join(os.path.dirname(__file__), name), ignore_errors=True)",
    "rewrites the other plugins": "here = os.path.dirname(__file__)\nfor name in os.listdir(here):\n"
    "    open(os.path.join(here, name), 'w').write('nothing')",
    "puts links and FIFOs for reports": "out = os.path.join(os.path.dirname(__file__), 'out')\n"
    "for name in ('report.json', 'report.md', 'report.xml', 'kept'):\n"
    "    (os.symlink if 'j' in name else lambda _, path: os.mkfifo(path))('/dev/full', os.path.join(out, name))",
    "locks the reports": "for name in ('out', 'arches.toml'):\n"
    "    fcntl.flock(os.open(os.path.join(os.path.dirname(__file__), name), os.O_RDONLY), fcntl.LOCK_EX)\n"
    "time.sleep(1000)",
    "mounts over the suite": "libc, where = ctypes.CDLL(None), os.path.dirname(core.__file__)\n"
    "libc.unshare(0x10020000)\nlibc.umount2(where.encode(), 2)\n"
    "libc.mount(None, where.encode(), None, 4096 | 32, None)\n"
    "libc.mount(b'tmpfs', where.encode(), b'tmpfs', 0, None)\nopen(core.__file__, 'a').write('x')",
    "changes the project's permissions": "os.chmod(core.__file__, 0)\nos.chmod(os.path.dirname(core.__file__), 0)",
    "ends at each collection": "gc.callbacks.append(lambda *_: os._exit(0))\ngc.set_threshold(1)",
    "takes every signal": "for n in {*range(1, 65)} - {9, 19, 32, 33}: signal.signal(n, lambda *_: None)",
    "sets timers": "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\nsignal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)",
    "recurses without a limit": "sys.setrecursionlimit(1 << 30)\n(lambda f: f(f))(lambda f: f(f))",
    "ends by faulthandler": "import faulthandler\nfaulthandler.dump_traceback_later(0.1, exit=True)\ntime.sleep(1)",
    "traces every line": "sys.setprofile(lambda *_: time.sleep(0.01))",
    "refuses every event": "def refuse(*_): raise OSError('no')\nsys.addaudithook(refuse)",
    "says so to the debugger": "os.environ['PYTHONINSPECT'] = '1'\nsys.breakpointhook()\nbreakpoint()",
}

FILES = (
    "overwrites the suite",
    "overwrites a plugin",
    "changes the project's permissions",
    "mounts over the suite",
    "leaves modules to be found",
    "removes the reports",
    "rewrites the other plugins",
    "puts links and FIFOs for reports",
)
"""Harms to files, which only a mount namespace or Landlock keeps off."""

REACHES_OUT = (
    *("kills its parent", "kills everybody", "leaves an orphan", "forks", "hangs", "signals by a file"),
    *("ends its parent by a limit", "overwrites the suite", "leaves modules to be found", "rewrites the other plugins"),
)
"""Harms that try each thing that contains a plugin."""

MOMENTS = ("as it is imported", "as it is made", "as it is asked for its facts", "in a hook")
"""When the harm is done."""

HEAD = """
import atexit, ctypes, fcntl, gc, json, os, resource, signal, sys, threading, time
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
