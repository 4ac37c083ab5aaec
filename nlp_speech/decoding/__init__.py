"""Search for the best output of a model; language models of words.

`arpa`, `ngram`, `fusion` and `ctc_host` do without TensorFlow.
"""
