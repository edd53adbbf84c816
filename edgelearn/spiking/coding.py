"""Spike encoders: rate, latency and delta codes, address events (docs/spiking.md, section 6)."""

from __future__ import annotations

import numpy as np

from edgelearn.errors import UserError
from edgelearn.spiking.learner import Raster, raster_of


def rate_code(x: np.ndarray, steps: int, generator: np.random.Generator, highest: float = 0.8) -> np.ndarray:
    """Return spikes that come at random with a probability of x times `highest` in each step.

    Parameters
    ----------
    x : float[n, n_in], 0..1

    Returns
    -------
    bool[n, steps, n_in]
    """
    return generator.random((len(x), steps, x.shape[1])) < (x * highest)[:, None, :]


def latency_code(x: np.ndarray, steps: int) -> np.ndarray:
    """Return one spike per input, the earlier the larger its value; none for zero.

    Parameters
    ----------
    x : float[n, n_in], 0..1

    Returns
    -------
    bool[n, steps, n_in]
    """
    at = np.minimum(np.floor((1.0 - x) * steps), steps - 1).astype(int)
    spikes = np.arange(steps)[None, :, None] == at[:, None, :]
    kept: np.ndarray = spikes & (x > 0)[:, None, :]
    return kept


def delta_code(x: np.ndarray, threshold: float) -> np.ndarray:
    """Return send-on-delta events of a sensor: a spike each time a channel has moved by a threshold since its last one.

    Parameters
    ----------
    x : float[steps, channels]

    Returns
    -------
    bool[steps, 2 * channels] : up, then down
    """
    if not threshold > 0:
        raise UserError(f"threshold is {threshold}; give more than 0")
    sent, events = np.array(x[0], np.float64), np.zeros((len(x), 2 * x.shape[1]), bool)
    for k, row in enumerate(x):
        moved = np.fix((row - sent) / threshold)
        events[k, : x.shape[1]], events[k, x.shape[1] :] = moved > 0, moved < 0
        sent += moved * threshold
    return events


def address_events(times: np.ndarray, addresses: np.ndarray, step_us: float, steps: int, n_in: int) -> np.ndarray:
    """Return the spikes of address events in time steps; several of one address in a step are one spike.

    Parameters
    ----------
    times : microseconds from the start of the sample; addresses : int[events]

    Returns
    -------
    bool[steps, n_in]

    Raises
    ------
    UserError
        "address ... is not below ..."
    """
    if len(addresses) and not 0 <= addresses.min() <= addresses.max() < n_in:
        raise UserError(f"address {addresses.max()} is not below {n_in}, the number of inputs")
    at = (np.asarray(times) / step_us).astype(int)
    inside = (at >= 0) & (at < steps)
    spikes = np.zeros((steps, n_in), bool)
    spikes[at[inside], np.asarray(addresses)[inside]] = True
    return spikes


def samples_raster(spikes: np.ndarray, labels: np.ndarray, first_label: int, period: int) -> Raster:
    """Return samples one after another, each from a fresh start, with label events in each.

    Parameters
    ----------
    spikes : bool[n, steps, n_in]; labels : int[n], -1 for samples without one
    first_label, period : steps of a sample at which its label comes; none at its last step, after which nothing learns
    """
    n, steps, n_in = spikes.shape
    events, starts = np.full((n, steps), -1), np.zeros((n, steps), bool)
    events[:, first_label : steps - 1 : period] = np.asarray(labels)[:, None]
    starts[:, 0] = True
    return raster_of(spikes.reshape(n * steps, n_in), events.ravel(), starts.ravel())
