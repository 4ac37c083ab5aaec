"""Speech recognition, the TensorFlow side: a `contract.TrainingTask`."""

from nlp_speech.tasks.speech_recognition.data import prepare, renewal, training_data
from nlp_speech.tasks.speech_recognition.endpoints import endpoints
from nlp_speech.tasks.speech_recognition.model import build, loss

__all__ = ["build", "endpoints", "loss", "prepare", "renewal", "training_data"]
