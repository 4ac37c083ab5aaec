"""``python -m nlp_speech`` is ``nlp-speech``."""

from nlp_speech.cli import main

if __name__ == "__main__":
    main()
