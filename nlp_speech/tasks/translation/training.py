"""Translation, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.contract import TrainingExtras
from nlp_speech.tasks.translation.data import prepare, training_data
from nlp_speech.tasks.translation.endpoints import endpoints
from nlp_speech.tasks.translation.model import build, loss

EXTRAS = TrainingExtras()

__all__ = ["EXTRAS", "build", "endpoints", "loss", "prepare", "training_data"]
