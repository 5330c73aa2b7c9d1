"""Analog training algorithms, as torch optimizers."""
