"""Published devices by name: what their papers say of them, ready to be drawn as cells."""

from .affine import in_siemens
from .preset import Preset, preset, presets

__all__ = ["Preset", "in_siemens", "preset", "presets"]
