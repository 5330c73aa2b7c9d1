"""The routines: one a file, each a class whose fields are its parameters."""
