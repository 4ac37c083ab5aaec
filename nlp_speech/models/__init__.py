"""Models built from layers, each for two or more tasks."""
