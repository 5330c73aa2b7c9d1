"""The experiment file, a section a module."""

from .experiment import Experiment, load_experiment, located

__all__ = ["Experiment", "load_experiment", "located"]
