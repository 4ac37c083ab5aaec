"""Reading, refusing, overriding and writing configs."""

from __future__ import annotations

import copy
import math
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp_speech.config import dump_config, read_config, template, value_of, vary
from nlp_speech.errors import UserError
from nlp_speech.tasks.translation.config import TranslationConfig
from nlp_speech.yaml_nodes import Dumper, Loader

ROOT = Path(__file__).parents[2]
SMALL = """\
# an experiment
task: translation
seed: 3
data:
  source_language: en
  target_language: no
  train:
    - source: a.en
      target: a.no
    - table: b.tsv
      columns: [2, 0]
  validation:
    source: v.en
    target: v.no
training:
  learning_rate: 1e-3
  warmup_updates: 10
model:
  units: 64
  attention: bahdanau
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def read(path: Path, *overrides: str) -> TranslationConfig:
    config = read_config(path, overrides)
    assert isinstance(config, TranslationConfig)
    return config


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        read_config(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(path: Path, old: str, new: str) -> str:
    """The error after `old` is replaced by `new` in the file."""
    assert old in SMALL
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    return message(path)


@pytest.mark.parametrize("value", [".inf", ".nan"])
def test_numbers_are_finite(value: str) -> None:
    path = Path(__file__).parents[2] / "configs/sentiment/sst5.yaml"
    with pytest.raises(UserError, match=r"training\.clip_norm.*finite"):
        read_config(path, [f"training.clip_norm={value}"])


def test_reads_values_and_defaults(path: Path) -> None:
    config = read(path)
    assert (config.task, config.seed) == ("translation", 3)
    assert config.data.target_language == "no"
    assert config.data.train[1].columns == (2, 0)
    assert config.training.learning_rate == 0.001
    assert (config.model.units, config.model.attention) == (64, "bahdanau")
    assert config.decoding == TranslationConfig.model_fields["decoding"].default


def test_byte_order_mark_and_anchors(path: Path) -> None:
    text = SMALL.replace("a.en", "&a a.en").replace("v.en", "*a")
    path.write_text(f"\ufeff{text}", encoding="utf-8")
    assert read(path).data.validation.source == "a.en"


@pytest.mark.parametrize("file", sorted((ROOT / "configs").rglob("*.yaml")), ids=str)
def test_shipped_configs_are_right(file: Path) -> None:
    config = read_config(file)
    assert config.task == file.parent.name


# Overrides


def test_overrides(path: Path) -> None:
    config = read(
        path,
        "model.units=32",
        "model.units=48",
        "training.learning_rate=2e-4",
        "training.minutes=null",
        "data.train.0.source=c.en",
        "data.test={extra: {table: t.tsv}}",
        "card.title=a = b",
        "export.quantize=[float, dynamic]",
        "data.source_language='1'",
    )
    assert config.model.units == 48
    assert config.training.learning_rate == 2e-4
    assert config.training.minutes is None
    assert config.data.train[0].source == "c.en"
    assert config.data.train[0].target == "a.no"
    assert config.data.test["extra"].table == "t.tsv"
    assert config.export.quantize == ("float", "dynamic")
    assert config.data.source_language == "1"
    assert config.card.title == "a = b"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.units", ["KEY=VALUE"]),
        ("=3", ["KEY=VALUE"]),
        ("model..units=3", ["KEY=VALUE"]),
        ("model.unit=3", ["unknown key 'model.unit'", "mean 'units'?", "attention,"]),
        ("modl.units=3", ["unknown key 'modl'", "did you mean 'model'?"]),
        ("model.units=many", ["'model.units'", "whole number", '"many"']),
        ("model.units=[1", ["not valid YAML"]),
        ("model.units.x=1", ["model.units is a single value", "'x'"]),
        ("data.train.2.source=x", ["data.train is a list", "from 0 to 1"]),
        ("data.train.first=x", ["data.train is a list", "'first'"]),
        ("model=null", ["'model'", "section"]),
        ("data.test.x.columns=[0, 1]", ["data.test.x: give either source"]),
        ("model={units: x}", ["'model.units'"]),
        ("task=nonsense", ["no task 'nonsense'", "translation"]),
    ],
)
def test_wrong_override(path: Path, override: str, words: list[str]) -> None:
    text = message(path, override)
    assert text.startswith(f"--set {override}: ")
    assert all(word in text for word in words), text
    assert str(path) not in text


# The search space


RATE = "training.learning_rate: {low: 1e-4, high: 1e-2, log: true}"


@pytest.mark.parametrize(
    "space",
    [
        RATE,
        "model.units: {low: 16, high: 64, step: 16}",
        "model.dropout: {low: 0.0, high: 0.3, step: 0.1}",
        "model.attention: {choices: [luong, bahdanau]}",
        "training.patience: {choices: [null, 3]}",
        "data.train.0.source: {choices: [a.en, b.en]}",
    ],
)
def test_search_space(path: Path, tmp_path: Path, space: str) -> None:
    path.write_text(f"{SMALL}tune:\n  space:\n    {space}\n", encoding="utf-8")
    config = read(path)
    assert list(config.tune.space) == [space.partition(":")[0]]
    (tmp_path / "dumped.yaml").write_text(dump_config(config), encoding="utf-8")
    assert read(tmp_path / "dumped.yaml") == config


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("learning_rate: {low: 1, high: 2}", ["mean 'training.learning_rate'?"]),
        ("model.unit: {low: 1, high: 2}", ["no key 'model.unit'", "'model.units'?"]),
        ("model.units.x: {low: 1, high: 2}", ["no key 'model.units.x'"]),
        ("data.train.2.source: {choices: [a]}", ["no key 'data.train.2.source'"]),
        ("model.units: {low: 0, high: 9}", ["'model.units' must be greater", "not 0"]),
        ("model.units: {low: 1, high: 9.5}", ["'model.units'", "whole number"]),
        ("model.dropout: {low: 0, high: 1}", ["'model.dropout' must be less than 1"]),
        ("model.attention: {choices: [luong, x]}", ["'bahdanau', not \"x\""]),
        ("model: {choices: [1]}", ["'model' must be a section"]),
        ("training.warmup_updates: {low: 1, high: 99999}", ["99999 is more than"]),
        ("training.updates: {low: 1, high: 9}", ["must be the same in all trials"]),
        ("data.validation.source: {choices: [a]}", ["must be the same in all trials"]),
        ("data.validation_share: {choices: [0.1]}", ["must be the same in all"]),
        ("seed: {low: 1, high: 9}", ["must be the same in all trials"]),
        ("tune.seed: {low: 1, high: 9}", ["must be the same in all trials"]),
        ("model.units: {low: 9, high: 1}", ["model.units: low must be below high"]),
        ("model.units: {low: 1}", ["model.units: give low and high"]),
        ("model.units: {}", ["model.units: give low and high, or choices"]),
        ("model.units: {low: 1, high: 9, choices: [1]}", ["give either choices"]),
        ("model.units: {low: 1, high: 9, step: 3}", ["a whole number of steps"]),
        ("model.units: {low: 0, high: 9, log: true}", ["low must be above 0"]),
        ("model.units: {low: 1, high: .inf}", ["high", "not Infinity"]),
        ("model.residual: {choices: [true, 1]}", ["each of the choices once"]),
        ("model.units: {lo: 1, high: 2}", ["unknown key", "did you mean 'low'?"]),
        ("model.units: 3", ["'tune.space.model.units' must be a section"]),
    ],
)
def test_wrong_search_space(path: Path, space: str, words: list[str]) -> None:
    path.write_text(f"{SMALL}tune:\n  space:\n    {space}\n", encoding="utf-8")
    text = message(path)
    assert text.startswith(f"{path}:23: "), text
    assert all(word in text for word in words), text


def test_wrong_search_space_in_an_override(path: Path) -> None:
    override = "tune.space={model.unit: {low: 1, high: 2}}"
    assert message(path, override).startswith(f"--set {override}: tune.space: ")


def test_vary(path: Path) -> None:
    config = read(path)
    changed = vary(config, {"model.units": 8, "data.train.1.columns": [1, 3]})
    assert (changed.model.units, changed.data.train[1].columns) == (8, (1, 3))
    assert value_of(changed, "data.train.1.columns") == [1, 3]
    assert config.model.units == 64
    assert vary(changed, {"model.units": 64, "data.train.1.columns": [2, 0]}) == config
    with pytest.raises(UserError, match=r"'model.units' must be a whole number"):
        vary(config, {"model.units": 1.5})
    with pytest.raises(UserError, match=r"no key 'units'; did you mean 'model.units'"):
        value_of(config, "units")


def test_error_in_file_is_not_blamed_on_an_override(path: Path) -> None:
    path.write_text(SMALL.replace("units: 64", "units: x"), encoding="utf-8")
    assert message(path, "seed=4").startswith(f"{path}:19: ")


# Errors in the file


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "units: 64",
            "unts: 64",
            19,
            ["'model.unts'", "did you mean 'units'?", "attention_units"],
        ),
        ("model:", "modle:", 18, ["'modle'", "did you mean 'model'?", "decoding"]),
        ("columns:", "colums:", 11, ["'data.train.1.colums'", "'columns'", "table"]),
        ("units: 64", "units: many", 19, ["'model.units'", "whole number", "LSTM"]),
        ("units: 64", "units: 6.5", 19, ["whole number", "6.5"]),
        ("units: 64", "units: true", 19, ["whole number", "true"]),
        ("units: 64", "units: 0", 19, ["greater than or equal to 1", "0"]),
        ("units: 64", "units:", 19, ["whole number", "null"]),
        ("units: 64", "residual: yes", 19, ["true or false", '"yes"']),
        ("bahdanau", "loung", 20, ["'luong' or 'bahdanau'", '"loung"']),
        ("1e-3", ".nan", 16, ["'training.learning_rate'"]),
        ("[2, 0]", "[2, zero]", 11, ["'data.train.1.columns.1'", '"zero"']),
        ("[2, 0]", "[2]", 11, ["data.train.1.columns"]),
        ("[2, 0]", "2", 11, ["a list"]),
        ("  source_language: en\n", "", 4, ["'data.source_language' is missing"]),
        ("    source: v.en\n", "", 11 + 1, ["data.validation", "source and target"]),
        ("v.en", "v.en\n    table: x", 12, ["either source and target, or table"]),
        ("task: translation", "task: tranlation", 2, ["no task", "translation"]),
        ("task: translation", "task: [1]", 2, ["'task' must be a name"]),
        ("task: translation\n", "", 2, ["'task' is missing"]),
        ("warmup_updates: 10", "warmup_updates: 99999", 17, ["99999 is more than"]),
        ("seed: 3", "seed: 3\nseed: 4", 4, ["'seed' is already given on line 3"]),
        ("seed: 3", "seed: [3", 4, ["not valid YAML"]),
        ("seed: 3", "seed: 3\n\tbatch: 1", 4, ["not valid YAML"]),
        ("seed: 3", "seed: \a", 3, ["control character"]),
        ("seed: 3", "seed: !!python/object:os.system x", 3, ["cannot be read"]),
        ("seed: 3", "seed: !!int x", 3, ["cannot be read", "no whole number"]),
        ("seed: 3", "? [1]\n: 2", 3, ["must be text"]),
        ("seed: 3", "seed: &x [*x]", 1, ["only text, numbers"]),
        ("seed: 3", "seed: !!binary aGk=", 1, ["only text, numbers"]),
        ("units: 64", "units: *nothing", 19, ["not valid YAML", "nothing"]),
    ],
)
def test_wrong_file(
    path: Path, old: str, new: str, line: int, words: list[str]
) -> None:
    text = changed(path, old, new)
    assert text.startswith(f"{path}:{line}: "), text
    assert all(word in text for word in words), text


def test_several_errors_are_counted(path: Path) -> None:
    text = changed(path, "units: 64", "unts: 64\n  dropout: 2\n  layers: 1")
    assert text.startswith(f"{path}:19: ")
    assert text.endswith("(and 2 more errors)")


@pytest.mark.parametrize("content", ["", "# nothing\n", "- a\n", "text"])
def test_file_without_keys(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    assert "begin with `task: NAME`" in message(path)


def test_missing_file(tmp_path: Path) -> None:
    text = message(tmp_path / "none.yaml")
    assert text.startswith(f"{tmp_path / 'none.yaml'}: there is no such file")


def test_directory(tmp_path: Path) -> None:
    assert "cannot be read" in message(tmp_path)


def test_other_encoding(path: Path) -> None:
    path.write_bytes(SMALL.replace("a.en", "ä.en").encode("latin-1"))
    assert message(path).startswith(f"{path}:8: this is not UTF-8")


def test_very_deep_nesting(path: Path) -> None:
    assert "nested too deeply" in changed(path, "seed: 3", f"seed: {'[' * 5000}")


# Writing


def test_dump_reads_back_equal(path: Path, tmp_path: Path) -> None:
    config = read(path, "training.final_learning_rate=1e-7", "card.title=null text")
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config), encoding="utf-8")
    assert read(again) == config


def test_dump_holds_every_key(path: Path) -> None:
    config = read(path)
    written = yaml.load(dump_config(config), Loader=Loader)
    assert written == config.model_dump(mode="json")


PLAIN = yaml.load(SMALL, Loader=Loader)
any_text = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "no",
        "Yes",
        "a\x85b",
        "\u2028",
        "~",
        "null",
        "1e3",
        "0x1",
        "010",
        "12:30",
        "2020-01-01",
        "<<",
        "=",
    ]
)


@settings(max_examples=30)
@given(
    title=any_text,
    name=any_text,
    rate=st.floats(min_value=1e-300, max_value=1e300),
    seed=st.integers(min_value=0),
)
def test_dump_of_anything_reads_back(
    title: str, name: str, rate: float, seed: int
) -> None:
    data = copy.deepcopy(PLAIN)
    data["seed"], data["card"] = seed, {"title": title}
    data["training"]["learning_rate"] = rate
    data["data"]["test"] = {name: {"table": title}}
    config = TranslationConfig.model_validate(data, strict=False)
    written = yaml.load(dump_config(config), Loader=Loader)
    assert written == config.model_dump(mode="json")
    assert written["training"]["learning_rate"] == rate


@given(st.text(string.ascii_letters + string.digits + ".+-_:~<= ", max_size=8))
def test_text_is_quoted_for_both_yaml_versions(text: str) -> None:
    written = yaml.dump({"k": text}, Dumper=Dumper)
    assert yaml.load(written, Loader=Loader) == {"k": text}
    assert yaml.safe_load(written) == {"k": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("010", 10),
        ("-7", -7),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5E+2", 50.0),
        ("-.inf", -math.inf),
        ("2020-01-01", "2020-01-01"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    read = yaml.load(f"k: {text}", Loader=Loader)["k"]
    assert (read, type(read)) == (value, type(value))


# Templates

VALUES = {
    "data": {
        "source_language": "en",
        "target_language": "de",
        "train": [{"source": "a", "target": "b"}, {"table": "c", "columns": [1, 2]}],
        "validation": {"table": "d"},
        "test": {"x": {"table": "e"}},
    },
    "model": {"units": 32},
    "export": {"quantize": ["float"]},
}


def test_template_with_values_reads(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(template(TranslationConfig, VALUES), encoding="utf-8")
    assert read(path) == TranslationConfig.model_validate(VALUES, strict=False)


def test_template_explains_every_key(tmp_path: Path) -> None:
    text = template(TranslationConfig, VALUES)
    explained = [line for line in text.splitlines() if line and "#" not in line]
    assert explained == ["task: translation"]
    assert "  units: 32  # LSTM units, each direction" in text
    assert "(luong or bahdanau)" in text


def test_template_marks_what_is_required(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(template(TranslationConfig), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    line = text.splitlines().index(
        "  source_language:   # ISO 639-1 code, such as en (required)"
    )
    assert message(path).startswith(f"{path}:{line + 1}: value of ")
