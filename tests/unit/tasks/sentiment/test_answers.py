"""What a classifier answers to odd inputs, and what its answers say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nlp_speech.contract import load_task, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.runtime import answer
from nlp_speech.runtime.keras import KerasPredictor
from nlp_speech.tasks import sentiment
from nlp_speech.tasks.sentiment import Sentiment, confusion, explain, load_assets, score
from nlp_speech.tasks.sentiment.config import TextBatchSection
from nlp_speech.tasks.sentiment.training import build, endpoints, finish, loss, prepare
from nlp_speech.tasks.sentiment.training import training_data as make_data
from nlp_speech.training.devices import Devices, make_strategy
from nlp_speech.training.step import make_step

LONG = "not a very good film at all . " * 12_500  # 100,000 words


class Live:
    """A classifier with random weights that answers texts."""

    def __init__(self, config: Any, directory: Path) -> None:
        prepare(config, directory)
        self.config = config
        self.assets = load_assets(config, directory)
        keras.utils.set_random_seed(2)
        self.model = build(config, self.assets)
        for weight in self.model.trainable_weights:
            weight.assign(2 * weight)
        # It prefers no class before training.
        kernel: Any = self.model.softmax.kernel
        kernel.assign(np.random.default_rng(2).normal(0, 0.05, kernel.shape))
        found = endpoints(config, self.assets, self.model)
        self.predictor = KerasPredictor(found)

    def __call__(
        self, texts: Sequence[str], endpoint: str = "classify"
    ) -> list[Sentiment]:
        return answer(
            load_task("sentiment"),
            self.assets,
            self.predictor,
            texts,
            endpoint=endpoint,
        )


@pytest.fixture
def live(make_config: Any, tmp_path: Path) -> Live:
    return Live(make_config(), tmp_path / "learned")


def sentiment_of(**probabilities: float) -> Sentiment:
    label = max(probabilities, key=lambda name: probabilities[name])
    return Sentiment(label, probabilities[label], probabilities)


def test_an_empty_text_gets_the_shares_of_the_classes(
    make_config: Any, tmp_path: Path
) -> None:
    rows = [(f"{'very ' * n}good film", "good") for n in range(16)]
    rows += [(f"not a {'very ' * n}bad one at all", "bad") for n in range(4)]
    live = Live(make_config(rows, validation_share=0.25), tmp_path / "learned")
    for endpoint in ("classify", "classify_ids"):
        found = live(["", " \t", "<br />", "good"], endpoint)
        for result in found[:3]:
            assert result.empty
            assert result.label == "good"
            shares = dict(zip(live.assets.labels, live.assets.shares, strict=True))
            assert result.probabilities == pytest.approx(shares)
            assert "nothing to read" in (result.warning() or "")
        assert not found[3].empty
        assert found[3].warning() is None


def test_html_says_what_its_text_says(live: Live) -> None:
    for endpoint in ("classify", "classify_ids"):
        plain, page = live(
            ["not good & bad", "<p class='x'>not <b>good</b>&nbsp;&amp;<br/>bad</p>"],
            endpoint,
        )
        assert page.probabilities == pytest.approx(plain.probabilities)


def test_a_document_of_100000_words(live: Live) -> None:
    assert len(LONG.split()) == 100_000
    found = live([LONG, LONG + "bad " * 30])
    by_ids = live([LONG], "classify_ids")
    assert by_ids[0].probability == pytest.approx(found[0].probability, abs=1e-4)
    # Its end counts.
    assert found[0].probability != pytest.approx(found[1].probability, abs=1e-6)


def test_another_language_gets_an_answer(live: Live) -> None:
    for result in live(["Ein sehr schöner Film", "とても良い映画", "🙂"]):
        assert sum(result.probabilities.values()) == pytest.approx(1)
        assert not result.empty
    [known, foreign] = live(["a very good film, a good film", "Zwölf Boxkämpfer jagen"])
    assert known.warning() is None
    assert "another language" in (foreign.warning() or "")


def test_probabilities_are_those_of_all_labels(live: Live) -> None:
    [result] = live(["a good film"])
    assert tuple(result.probabilities) == live.assets.labels
    assert result.probability == max(result.probabilities.values())
    assert result.n_best[0].text == result.label == result.as_text()
    assert [x.score for x in result.n_best] == sorted(
        result.probabilities.values(), reverse=True
    )
    assert json.loads(json.dumps(result.as_dict()))["label"] == result.label


def test_finish_fits_the_temperature(live: Live) -> None:
    texts = sentiment.references(live.config, "validation")[0]
    before = live(texts)
    assert float(live.model.temperature.numpy()) == 1
    finish(live.config, live.model, make_data(live.config, live.assets, "validation"))
    temperature = float(live.model.temperature.numpy())
    assert temperature != 1
    for old, new in zip(before, live(texts), strict=True):
        assert new.label == old.label
        odds = [
            np.log(r.probabilities["good"] / r.probabilities["bad"]) for r in (old, new)
        ]
        assert odds[1] == pytest.approx(odds[0] / temperature, rel=1e-2, abs=1e-4)


def test_scores() -> None:
    results = [
        sentiment_of(a=0.9, b=0.1),
        sentiment_of(a=0.6, b=0.4),
        sentiment_of(a=0.2, b=0.8),
    ]
    values, signatures = score(results, ["a", "b", "b"])
    assert values["accuracy"] == pytest.approx(200 / 3)
    assert values["macro_f1"] == pytest.approx(200 / 3)
    assert values["ece"] == pytest.approx((0.1 + 0.6 + 0.2) / 3)
    assert values.keys() == signatures.keys()
    labels, counts = confusion(results, ["a", "b", "b"])
    assert (labels, counts.tolist()) == (["a", "b"], [[1, 0], [1, 1]])
    with pytest.raises(UserError, match=r"example 2 has the label 'c'.* are: a, b"):
        score(results, ["a", "c", "b"])


def test_explanations_join_to_the_text_and_find_the_word() -> None:
    def answers(texts: Sequence[str]) -> list[Sentiment]:
        # Only "bad" matters, and "not" a little.
        shares = [0.1 + 0.8 * ("bad" in t) - 0.05 * ("not" in t) for t in texts]
        return [sentiment_of(negative=s, positive=1 - s) for s in shares]

    text = "  a very bad,\n bad film, is it not? "
    result, parts = explain(answers, text)
    assert result.label == "negative"
    assert "".join(part.text for part in parts) == text
    # Without one of two nothing changes.
    assert [p.weight for p in parts[:-1]] == pytest.approx([0] * 7)
    assert parts[-1].weight < 0
    _, parts = explain(answers, "a bad film")
    weights = {part.text.strip(): part.weight for part in parts}
    assert weights["bad"] == pytest.approx(np.log(0.9 / 0.1) - np.log(0.1 / 0.9))
    assert weights["film"] == 0
    assert explain(answers, " ")[1] == []


def test_a_long_text_is_explained_in_400_steps() -> None:
    asked = []

    def answers(texts: Sequence[str]) -> list[Sentiment]:
        asked.extend(texts)
        return [sentiment_of(a=0.5, b=0.5)] * len(texts)

    _, parts = explain(answers, LONG)
    assert "".join(part.text for part in parts) == LONG
    assert 300 < len(parts) <= 400
    assert len(asked) <= 402


def adversarial(config: Any) -> Any:
    """The same config with adversarial training, without anything random."""
    still = dict.fromkeys(
        ("word_dropout", "embedding_dropout", "weight_dropout", "output_dropout"), 0.0
    )
    return config.model_copy(
        update={
            "model": config.model.model_copy(update={"adversarial": 0.3, **still}),
            "tokenizer": config.tokenizer.model_copy(update={"sample": False}),
            "batch": TextBatchSection(tokens=400, max_length=30, buckets=1),
        }
    )


def test_adversarial_training_learns(make_config: Any, tmp_path: Path) -> None:
    config = adversarial(make_config(validation_share=0.01))
    live = Live(config, tmp_path / "learned")
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(live.model.trainable_variables)
    task, devices = load_training_task("sentiment"), Devices(make_strategy())
    update = make_step(task, config, live.model, optimizer, devices)
    [batch] = make_data(config, live.assets, "train").dataset(0)
    losses = []
    for _ in range(60):
        done = update([(batch,)])
        assert done.finite
        losses.append(done.total / done.count)
    assert losses[-1] < 0.5 * losses[0]


def test_the_adversarial_loss_is_the_mean_with_a_larger_one(
    make_config: Any, tmp_path: Path
) -> None:
    config = adversarial(make_config(validation_share=0.01))
    live = Live(config, tmp_path / "learned")
    [batch] = make_data(config, live.assets, "train").dataset(0)

    @tf.function(jit_compile=True)
    def compiled(batch: Any) -> Any:
        return loss(config, live.model, batch, training=True)

    plain, count = loss(config, live.model, batch, training=False)
    total, same = loss(config, live.model, batch, training=True)
    assert total > plain
    assert float(count) == float(same) == 6
    np.testing.assert_allclose(compiled(batch)[0], total, rtol=1e-4)
