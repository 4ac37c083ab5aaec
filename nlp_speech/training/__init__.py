"""Trains any task: the loop, its schedule, checkpoints and progress."""

from nlp_speech.training.trainer import Diverged, Interrupted, train

__all__ = ["Diverged", "Interrupted", "train"]
