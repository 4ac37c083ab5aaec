"""LSTM, attention and dropout: layers that take explicit lengths and states."""

from nlp_speech.layers.attention import Attention
from nlp_speech.layers.bidirectional import Bidirectional
from nlp_speech.layers.dropout import TimeDropout
from nlp_speech.layers.lstm import LSTM
from nlp_speech.layers.weight_drop import WeightDropLSTM

__all__ = ["LSTM", "Attention", "Bidirectional", "TimeDropout", "WeightDropLSTM"]
