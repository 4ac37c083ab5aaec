"""Text to piece ids and back: one vocabulary, a Python face and a graph face."""
