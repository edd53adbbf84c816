"""Hypothesis profiles, one thread per process, Ctrl-C in background jobs.

EDGELEARN_HYPOTHESIS chooses a profile: quick (25 fixed examples), default (50), full (150), or thorough (3,000 new ones).
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

for library in ("OMP", "OPENBLAS", "MKL"):  # tests run beside each other: threads of one would wait for the other's
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

PROFILES = {"quick": 25, "default": 50, "full": 150, "thorough": 3000}
for name, examples in PROFILES.items():
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=name != "thorough",
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("EDGELEARN_HYPOTHESIS", "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell's background job; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
