"""Searches the values of a config that score best on validation data."""

from nlp_speech.tune.session import Stopped, tune

__all__ = ["Stopped", "tune"]
