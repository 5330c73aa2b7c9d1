"""Algorithms in the settings of the papers, beside the papers' own figures."""
