"""Emulated Keysight B1500A: FLEX commands, SMUs, an SPGU."""
