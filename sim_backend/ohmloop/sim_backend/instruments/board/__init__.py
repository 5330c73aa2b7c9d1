"""The emulated parallel pulse board: reference firmware of the open protocol."""
