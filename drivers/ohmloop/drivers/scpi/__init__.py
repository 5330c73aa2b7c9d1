"""Keysight instruments in SCPI: SMU, generator, switch matrix, and the crossbar of them."""
