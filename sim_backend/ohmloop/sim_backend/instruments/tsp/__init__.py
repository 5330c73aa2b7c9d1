"""Emulated Keithley 2600B and 707B: real Lua, one TSP-Link, one chip."""
