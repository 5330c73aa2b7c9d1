"""Tiles: logical weight matrices on crossbars, how weights are kept there, and where they go."""
