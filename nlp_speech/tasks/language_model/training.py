"""Language modelling, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.tasks.language_model.data import prepare, training_data
from nlp_speech.tasks.language_model.endpoints import endpoints
from nlp_speech.tasks.language_model.model import build, loss

__all__ = ["build", "endpoints", "loss", "prepare", "training_data"]
