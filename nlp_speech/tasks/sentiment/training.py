"""Sentiment, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.tasks.sentiment.data import prepare, training_data
from nlp_speech.tasks.sentiment.endpoints import endpoints
from nlp_speech.tasks.sentiment.model import build, finish, loss, rates

__all__ = ["build", "endpoints", "finish", "loss", "prepare", "rates", "training_data"]
