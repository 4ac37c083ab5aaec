"""The tasks, a package each; see `nlp_speech.contract`."""
