"""Emulated Keysight B2900A, 33600A and B2200A: SCPI over IEEE 488.2, one chip."""
