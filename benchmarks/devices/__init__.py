"""Fits of real devices that other people measured and published."""
