"""An emulated ArC TWO behind a frame endpoint."""
