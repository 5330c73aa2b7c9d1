"""Studies of what theory says: small problems with a known answer, swept and drawn."""
