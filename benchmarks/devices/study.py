"""Every device fitted, and held against the yardstick."""

from __future__ import annotations

from dataclasses import dataclass

from ohmloop.calibration.fitting import Choice, choose_family

from .direct import Direct, direct_fits
from .protocol import DOWN, UP, HeldOutErrors, held_out_errors
from .staircases import Device

ALLOWED = 1.1
"""Times the yardstick's best curve that a held-out error may be."""
WAYS = (UP, DOWN)


@dataclass(frozen=True, slots=True)
class Studied:
    """What came out for one device; errors in % of its range, of up and down trains.

    Attributes:
        device: the device.
        choice: the response function, chosen without being told.
        errors: held-out errors of its fit.
        direct: the yardstick, of each direction.
    """

    device: Device
    choice: Choice
    errors: HeldOutErrors
    direct: tuple[Direct, Direct]

    def percent(self, value: float) -> float:
        """Of the device's range."""
        return 100 * value / self.device.range

    @property
    def held_out(self) -> tuple[float, float]:
        """Of the fit."""
        up, down = (self.percent(self.errors.rmse(self.errors.held_out, way)) for way in WAYS)
        return up, down

    @property
    def path(self) -> tuple[float, float]:
        """Of its mean path."""
        up, down = (self.percent(self.errors.rmse(self.errors.path, way)) for way in WAYS)
        return up, down

    @property
    def yardstick(self) -> tuple[float, float]:
        """Of the best curve of each direction."""
        up, down = (self.percent(d.errors[d.best]) for d in self.direct)
        return up, down

    @property
    def noise(self) -> tuple[float, float]:
        """Of a reading."""
        return self.device.noise(UP), self.device.noise(DOWN)

    @property
    def worst(self) -> float:
        """Held-out error over that of the yardstick, in the worse direction."""
        return max(e / y for e, y in zip(self.held_out, self.yardstick, strict=True))


def study(device: Device) -> Studied:
    """Choose, fit, predict; and the yardstick beside it."""
    traj = device.trajectories()
    choice = choose_family(traj)
    errors = held_out_errors(traj, choice.family, choice.steps)
    return Studied(device, choice, errors, (direct_fits(device.up[0]), direct_fits(device.down[0])))
