"""Language modelling, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.contract import TrainingExtras
from nlp_speech.tasks.language_model.data import prepare, training_data
from nlp_speech.tasks.language_model.endpoints import endpoints
from nlp_speech.tasks.language_model.model import build, loss

EXTRAS = TrainingExtras()

__all__ = ["EXTRAS", "build", "endpoints", "loss", "prepare", "training_data"]
