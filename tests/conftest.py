"""Hypothesis profiles: a few fixed examples by default, EDGELEARN_HYPOTHESIS=thorough for many new ones, quick for fewer."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "quick", max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("EDGELEARN_HYPOTHESIS", "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
