"""Pipelined training: a model's layers spread over chips, every chip busy.

Weights cannot be copied from chip to chip, so there is no data parallelism, and versions of weights
cannot be stashed. What is left is a pipeline of stages, each with its layers on a chip of its own.
A ``Schedule`` says who does what at which clock; an executor does it: by clock in one process, by
threads, or by processes across machines, with the same numbers.
"""
