"""A periphery around one twin's cells: errors of its lines, its noise, what it does to cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ohmloop.drivers import BadInputError, CellPulses, Limits, PulseConditions

from . import fast
from .ladders import ladder_map
from .path import SignalPath
from .periphery import Periphery, read_variance
from .read_disturb import DisturbLedger
from .wire_resistance import WiredMap

if TYPE_CHECKING:
    from ohmloop.sim_backend.cell_array import CellArray

_ERRORS = 0x11E5  # sets the lines' errors apart from other draws of the same seed


def check_inputs(periphery: Periphery, limits: Limits, cells: CellArray) -> None:
    """Refuse cells that are not linear, and inputs scaled up beyond what reads may be.

    Raises:
        BadInputError: the cells have a current-voltage law.
        LimitError: noise management scales up to more than ``limits.read_voltage``.
    """
    if cells.iv is not None:
        raise BadInputError(
            "a periphery takes cells as linear, and these have iv_v0; leave out one of both"
        )
    for path in (periphery.to_rows, periphery.backward_path):
        if path.noise_management.kind != "none" and path.input.range is not None:
            limits.check_read(path.input.range)


class Surroundings:
    """Products of a twin in float32, and disturb by its reads and products.

    Numbers are drawn one product after the other from one generator; ``state`` has where it stands.

    Args:
        periphery: what surrounds the cells.
        cells: the cells.
        conditions: the pulses that they were modelled at.
        seed: of the lines' errors and of the noise.
        device: where tensors live, as torch names it.
    """

    def __init__(
        self,
        periphery: Periphery,
        cells: CellArray,
        conditions: PulseConditions,
        seed: int,
        device: str,
    ) -> None:
        self.periphery, self.cells, self.device = periphery, cells, device
        like = torch.empty(0, dtype=torch.float32, device=device)
        rng = np.random.default_rng([seed % (1 << 64), _ERRORS])
        there, back = periphery.errors(cells.shape, rng)
        self._errors = {"forward": there.tensors(like), "backward": back.tensors(like)}
        self._rng = torch.Generator(device).manual_seed(seed % (1 << 63))
        self._maps: dict[str, tuple[Tensor, Tensor | None]] = {}
        std = np.asarray(cells.population.read_std)
        even = bool((std == std.flat[0]).all())
        self._read_std: Any = float(std.flat[0]) if even else like.new_tensor(std)
        disturb = periphery.read_disturb
        self.ledger = DisturbLedger(disturb, conditions, cells.shape) if disturb else None

    def product(self, way: str, volts: Tensor) -> Tensor:
        """One batch.

        Args:
            way: ``forward`` or ``backward``.
            volts: ``(batch, inputs)``, V.

        Returns:
            ``(batch, outputs)``, A, float64.
        """
        given = volts.detach().to(device=self.device, dtype=torch.float32)
        g, variance = self._map(way)
        multiply = getattr(self.periphery, way)
        out = multiply(g, given, self._rng, variance=variance, errors=self._errors[way])
        if self.ledger is not None:
            path = self.periphery.to_rows if way == "forward" else self.periphery.backward_path
            self._give(getattr(self.ledger, way)(_driven(path, given)))
        currents: Tensor = out.currents.double()
        return currents

    def note_read(self, voltage: float, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        """One read of the cells where ``rows`` and ``columns`` cross, at ``voltage`` V."""
        if self.ledger is not None and voltage:
            self._give(self.ledger.read(voltage, rows, columns))

    def note_cells(self, voltage: float, cells: NDArray[np.intp]) -> None:
        """One read of some cells, by their flat numbers, at ``voltage`` V."""
        rows, columns = np.divmod(cells, self.cells.shape[1])
        whole = np.unique(rows), np.unique(columns)
        if cells.size == whole[0].size * whole[1].size:
            self.note_read(voltage, *whole)
            return
        for row, column in zip(rows, columns, strict=True):
            self.note_read(voltage, np.array([row]), np.array([column]))

    def on_host(self, way: str, volts: NDArray[np.float64]) -> NDArray[np.float64]:
        """``product`` of arrays."""
        own = volts if volts.flags.writeable else volts.copy()  # torch takes no other
        currents: NDArray[np.float64] = self.product(way, torch.from_numpy(own)).cpu().numpy()
        return currents

    def changed(self) -> None:
        """The cells have been pulsed."""
        self._maps.clear()

    def state(self) -> dict[str, NDArray[Any]]:
        """Where the noise and the shares of pulses stand, by name; ``restore`` takes it back."""
        state: dict[str, NDArray[Any]] = {"periphery_noise": self._rng.get_state().numpy().copy()}
        if self.ledger is not None:
            state |= {"disturb_up": self.ledger.up.copy(), "disturb_down": self.ledger.down.copy()}
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go back to a ``state``."""
        self._rng.set_state(torch.from_numpy(state["periphery_noise"].copy()))
        if self.ledger is not None:
            self.ledger.up = state["disturb_up"].copy()
            self.ledger.down = state["disturb_down"].copy()
        self.changed()

    def _map(self, way: str) -> tuple[Tensor, Tensor | None]:
        """Conductances as the lines see them, and the variance of each as read."""
        key = way if self.periphery.wires else "both"
        if key not in self._maps or self.cells.timed:
            g = torch.as_tensor(self._seen(way), device=self.device).float()
            quiet = isinstance(self._read_std, float) and self._read_std == 0
            self._maps[key] = g, None if quiet else read_variance(g, self._read_std)
        return self._maps[key]

    def _seen(self, way: str) -> Any:
        wires = self.periphery.wires
        if wires is None:
            g = self.cells.visible if self.cells.effects else self.cells.g
            return torch.as_tensor(g).reshape(self.cells.shape)
        g = self.cells.visible
        if self.periphery.wire_method == "exact":
            return getattr(WiredMap(g, wires), f"{way}_map")()
        return ladder_map(g, wires) if way == "forward" else ladder_map(g.T, wires.turned).T

    def _give(self, pulses: NDArray[np.int32]) -> None:
        """Pulses that have become due, to the cells."""
        if pulses.any():
            self.cells.apply(CellPulses(pulses).runs)
            self.changed()


def _driven(path: SignalPath, volts: Tensor) -> NDArray[np.float64]:
    """What lines are driven with, but for noise, errors, and repeats of bound management, V."""
    nearest = path.input.model_copy(update={"rounding": "nearest"})
    full, _ = fast.full_scale(path, volts)
    driven: NDArray[np.float64] = (
        fast.converted(nearest, volts, full, True, None).double().cpu().numpy()
    )
    return driven
