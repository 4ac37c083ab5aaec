"""What summaries that nobody wrote score: the floor that a trained model must beat.

The first words of the document, its first sentence, and the sentence that TextRank
(Mihalcea and Tarau 2004, of the library sumy) ranks first, whole and cut to as many
words. Scored as `nlp-speech evaluate` scores a bundle: put its row beside these.

    NLP_SPEECH_DATA=... python tests/benchmarks/bench_summaries.py [CONFIG ...]
        [--split test] [--limit N] [--short] [--json FILE]

The number of words is the mean length of the training summaries.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from side_by_side import keep
from sumy.parsers.plaintext import PlaintextParser
from sumy.summarizers.text_rank import TextRankSummarizer

from nlp_speech.config import read_config
from nlp_speech.errors import UserError
from nlp_speech.metrics import rouge
from nlp_speech.tasks.summarization import references
from nlp_speech.tasks.summarization.corpus import read_training

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "summarization").glob("*.yaml"))
_END = re.compile(r"(?<=[.!?])\s+")


class Splitter:
    """Sentences and words as sumy wants them, without the files that nltk fetches."""

    def to_sentences(self, text: str) -> list[str]:
        return [s for s in _END.split(text.strip()) if s]

    def to_words(self, text: str) -> list[str]:
        return re.findall(r"\w+", text.casefold())


def first_words(text: str, words: int) -> str:
    return " ".join(text.split()[:words])


def first_sentence(text: str) -> str:
    return (Splitter().to_sentences(text) or [""])[0]


def text_rank(text: str) -> str:
    parsed = PlaintextParser.from_string(text, Splitter())
    best = TextRankSummarizer()(parsed.document, 1)
    return str(best[0]) if best else first_sentence(text)


def baselines(words: int) -> dict[str, Callable[[str], str]]:
    """What makes a summary of a document, by name."""
    return {
        f"first {words} words": lambda text: first_words(text, words),
        "first sentence": first_sentence,
        "TextRank sentence": text_rank,
        f"TextRank, {words} words": lambda text: first_words(text_rank(text), words),
    }


def measure(path: Path, split: str, limit: int | None) -> dict[str, Any]:
    """The scores of all baselines on a split of a config."""
    config: Any = read_config(path)
    texts, summaries = references(config, split)
    texts, summaries = texts[:limit], summaries[:limit]
    words = round(mean(len(s.split()) for _, s in read_training(config).pairs))
    rows = {}
    for name, baseline in baselines(words).items():
        answers = [baseline(text) for text in texts]
        rows[name] = {score.name: score.value for score in rouge(answers, summaries)}
        rows[name]["words"] = mean(len(answer.split()) for answer in answers)
    return {"config": path.name, "split": split, "documents": len(texts), "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("configs", nargs="*", type=Path, default=CONFIGS)
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--short", action="store_true", help="100 documents each")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = []
    for path in options.configs:
        limit = 100 if options.short else options.limit
        result = measure(path, options.split, limit)
        found.append(result)
        print(f"{path.name}, {options.split}, {result['documents']} documents")
        for name, row in result["rows"].items():
            values = "  ".join(f"{key} {value:5.2f}" for key, value in row.items())
            print(f"  {name:22s}  {values}", flush=True)
    keep({"configs": found}, options.json)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"bench_summaries was left out: {error}", file=sys.stderr)
