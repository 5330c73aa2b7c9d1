"""Pipelined training from the command line."""
