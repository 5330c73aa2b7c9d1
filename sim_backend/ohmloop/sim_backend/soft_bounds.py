"""Soft bounds, where earlier code looks for them; they live in ``responses.soft_bounds``."""

from .responses.soft_bounds import SoftBounds, step

__all__ = ["SoftBounds", "step"]
