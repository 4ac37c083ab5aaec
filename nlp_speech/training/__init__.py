"""Trains any task: the loop, its schedule, checkpoints and progress."""

from nlp_speech.training.trainer import Interrupted, train

__all__ = ["Interrupted", "train"]
