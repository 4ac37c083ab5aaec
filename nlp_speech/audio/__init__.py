"""Sound files to samples, samples to features."""
