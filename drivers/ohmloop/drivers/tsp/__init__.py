"""Keithley 2600B and 707B in TSP, their Lua dialect, and the crossbar of the two."""
