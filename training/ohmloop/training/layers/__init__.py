"""Layers whose weights are on chips, the parameter behind them, and conversion of whole models."""
