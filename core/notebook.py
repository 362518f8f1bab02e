"""A run from Python: what `run` prints as JSON, as objects."""

from __future__ import annotations

import io
import json
import tempfile
from contextlib import redirect_stdout

from core.base.told import Told
from reports.results import Results, results_of


def results(*arguments: str) -> Results:
    """The results of `run` with these arguments, as in `results("--arch", "smp-6.1", "--no-costs")`.

    What the command says on stderr is said there. Told if there are none, for an error in the arguments or a plugin.
    """
    from core.compare import main

    out = io.StringIO()
    with tempfile.TemporaryDirectory() as directory, redirect_stdout(out):
        given = ["run", "--output", directory, *arguments, "--format", "json"]
        status = main(given)
    if not out.getvalue():
        raise Told(f"run {' '.join(arguments)}: no results; exit status {status}")
    return results_of(json.loads(out.getvalue()))
