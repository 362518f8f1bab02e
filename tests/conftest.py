"""Hypothesis draws the same examples on every run, so that a run says the same as the last one."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same-every-time", derandomize=True)
settings.load_profile("same-every-time")
