"""Speech recognition, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.contract import TrainingExtras
from nlp_speech.tasks.speech_recognition.data import prepare, renewal, training_data
from nlp_speech.tasks.speech_recognition.endpoints import endpoints
from nlp_speech.tasks.speech_recognition.model import build, loss

EXTRAS = TrainingExtras(renewal=renewal)

__all__ = ["EXTRAS", "build", "endpoints", "loss", "prepare", "training_data"]
