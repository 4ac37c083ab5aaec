"""Sentiment, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.contract import TrainingExtras
from nlp_speech.tasks.sentiment.data import prepare, training_data
from nlp_speech.tasks.sentiment.endpoints import endpoints
from nlp_speech.tasks.sentiment.model import build, finish, loss, rates

EXTRAS = TrainingExtras(finish=finish, rates=rates)

__all__ = ["EXTRAS", "build", "endpoints", "loss", "prepare", "training_data"]
