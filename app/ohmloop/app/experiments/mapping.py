"""Section ``mapping`` of an experiment file: how weights are kept on crossbars."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ohmloop.drivers.validation import Record

Count = Annotated[int, Field(ge=1)]


class MappingConfig(Record):
    """Arguments of ``convert_to_analog``: see there."""

    reference: Literal["map", "fixed", "crossbar", "differential"] = "map"
    omega: Annotated[float, Field(gt=0, le=1)] | None = None
    bias: Literal["digital", "analog"] = "digital"
    output_scale: Literal["none", "layer", "output"] = "none"
    block: tuple[Count, Count] | None = None
    include: str | list[str] | None = None
    exclude: str | list[str] | None = None

    def options(self, omega: float) -> dict[str, Any]:
        """Keyword arguments; ``omega`` where the section has none."""
        given = self.model_dump()
        scale = given.pop("output_scale")
        return given | {
            "omega": omega if self.omega is None else self.omega,
            "output_scale": False if scale == "none" else scale,
        }
