"""Symmetric points, measured by zero-shifting on a budget of pulses."""
