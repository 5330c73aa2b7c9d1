"""What of a preset's device stands between states and readings, in weight units."""

from __future__ import annotations

import numpy as np

from ohmloop.sim_backend.effects import Effect, Retention, WriteNoise

from .aihwkit_draws import Drawn, PulsedDevice, Rng, Shape, around

_SHORTEST = 1.0  # mini-batch


def device_effects(
    device: PulsedDevice, cells: Drawn, shape: Shape, rng: Rng
) -> tuple[Effect, ...]:
    """Write noise, and leakage where it is known how long a mini-batch takes.

    aihwkit decays a weight by ``1 - 1/lifetime`` a mini-batch towards its reset; here it relaxes
    by ``exp(-t / (lifetime batch_time))``.

    Args:
        device: the figures.
        cells: drawn ones; stuck cells have neither.
        shape: rows and columns.
        rng: draws the spread of the lifetimes.
    """
    effects: list[Effect] = []
    if device.write_noise_std:
        effects.append(WriteNoise(device.write_noise_std * device.dw_min))
    if device.lifetime and device.batch_time:
        batches = device.lifetime * np.asarray(around(1.0, device.lifetime_dtod, shape, rng))
        lifetime = np.maximum(batches, _SHORTEST) * device.batch_time
        effects.append(Retention(lifetime, device.reset))
    stuck = ~np.isnan(cells.stuck_at)
    return tuple(effect.without(stuck) for effect in effects) if stuck.any() else tuple(effects)
