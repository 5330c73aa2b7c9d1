"""Keysight B1500A: FLEX commands, SMU and SPGU pulses, and the WGFMU through its library."""
