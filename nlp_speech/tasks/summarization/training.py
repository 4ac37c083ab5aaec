"""Summarization, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.contract import TrainingExtras
from nlp_speech.tasks.summarization.data import prepare, training_data
from nlp_speech.tasks.summarization.endpoints import endpoints
from nlp_speech.tasks.summarization.model import build, loss

EXTRAS = TrainingExtras()

__all__ = ["EXTRAS", "build", "endpoints", "loss", "prepare", "training_data"]
