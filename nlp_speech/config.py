"""YAML files to typed configs and back.

The reader is strict: an unknown key, a value of the wrong type or a key given twice is
a `UserError` that names the file, the line, the key and the choices. Scalars are read
by the rules of YAML 1.2: ``no`` is the text "no" (Norwegian), ``1e-3`` is a number.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from nlp_speech.contract import load_task
from nlp_speech.errors import UserError
from nlp_speech.sections import Experiment
from nlp_speech.space import is_fixed, place, probes
from nlp_speech.yaml_nodes import Dumper, Loader, construct, read_nodes

Location = tuple[int | str, ...]
E = TypeVar("E", bound=Experiment)


@dataclass(frozen=True)
class _Override:
    """One ``--set a.b=value``."""

    text: str
    location: Location
    value: Any


@dataclass(frozen=True)
class _Source:
    """Where each value came from, to point at it."""

    path: Path
    root: yaml.Node
    overrides: Sequence[_Override]

    def error(self, location: Location, message: str) -> UserError:
        """An error at the override or the line that `location` came from."""
        line, written = self._find(location)
        for override in reversed(self.overrides):
            depth = len(override.location)
            inside = location[:depth] == override.location
            around = override.location[: len(location)] == location
            if inside or (around and not written):
                return UserError(f"--set {override.text}: {message}")
        return UserError.at(self.path, line, message)

    def _find(self, location: Location) -> tuple[int, bool]:
        """The line of a key, or of the nearest section around it if it is not there."""
        node, line = self.root, self.root.start_mark.line + 1
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = [(k, v) for k, v in node.value if k.value == str(part)]
                if not found:
                    return line, False
                line, node = found[0][0].start_mark.line + 1, found[0][1]
            elif isinstance(node, yaml.SequenceNode):
                if not isinstance(part, int) or part >= len(node.value):
                    return line, False
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                return line, False
        return line, True


def read_config(path: Path | str, overrides: Sequence[str] = ()) -> Experiment:
    """Reads the config of an experiment.

    Args:
        path: a YAML file; its key `task` says which task's config it is.
        overrides: ``a.b=value`` each, the value in YAML; lists are entered by number
            (``data.train.0.source=x``).

    Returns:
        An instance of the task's `Config`.

    Raises:
        UserError: the file cannot be read, is no YAML, or holds an unknown key or a
            value of the wrong type; names file, line, key and choices.
    """
    path = Path(path)
    root = read_nodes(path)
    data = construct(path, root)
    given = [_parse_override(text) for text in overrides]
    for override in given:
        _apply(data, override)
    source = _Source(path, root, given)
    config_class = _config_class(data, source)
    try:
        # JSON mode takes a list for a tuple although the models are strict.
        config = config_class.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise _explain(error, config_class, source) from None
    except (TypeError, ValueError, RecursionError):
        message = "only text, numbers, true, false, null, lists and sections are read"
        raise UserError.at(path, 1, message) from None
    _check_space(config, source)
    return config


def vary(config: E, values: Mapping[str, Any]) -> E:
    """The same config with other values.

    Args:
        config: is not changed.
        values: by key, such as ``{"model.units": 64}``.

    Raises:
        UserError: there is no such key, or the config refuses the values.
    """
    data = config.model_dump(mode="json")
    for key, value in values.items():
        holder, last = place(data, key)
        holder[last] = value
    try:
        return type(config).model_validate_json(json.dumps(data))
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        raise UserError(_sentence(first, type(config))) from None


def value_of(config: Experiment, key: str) -> Any:
    """The value of a key, such as ``model.units``.

    Raises:
        UserError: there is no such key.
    """
    holder, last = place(config.model_dump(mode="json"), key)
    return holder[last]


def _check_space(config: Experiment, source: _Source) -> None:
    """Refuses a search space that names unknown keys or values they cannot have."""
    for key in filter(is_fixed, config.tune.space):
        message = (
            f"{key} must be the same in all trials, so that scores can be compared"
        )
        raise source.error(("tune", "space", key), f"tune.space: {message}")
    for key, value in probes(config):
        try:
            vary(config, {key: value})
        except UserError as error:
            where = ("tune", "space", key)
            raise source.error(where, f"tune.space: {error}") from None


def dump_config(config: Experiment) -> str:
    """Writes a config with every key in it, as YAML that reads back equal."""
    return yaml.dump(
        config.model_dump(mode="json"),
        Dumper=Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
    )


def _parse_override(text: str) -> _Override:
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set {text}: write it as KEY=VALUE, such as seed=7")
    try:
        parsed = yaml.load(value, Loader=Loader)
    except yaml.YAMLError:
        message = "the value is not valid YAML; put it in quotes"
        raise UserError(f"--set {text}: {message}") from None
    location = tuple(int(p) if p.isascii() and p.isdigit() else p for p in parts)
    return _Override(text, location, parsed)


def _apply(data: dict[str, Any], override: _Override) -> None:
    """Writes the value of an override into `data`, making sections on the way."""
    here: Any = data
    *parents, last = override.location
    for depth, part in enumerate(parents, start=1):
        _check_step(here, part, override, depth - 1)
        if isinstance(here, list):
            here = here[int(part)]
        else:
            if here.get(str(part)) is None:
                here[str(part)] = {}
            here = here[str(part)]
    _check_step(here, last, override, len(parents))
    here[last if isinstance(here, list) else str(last)] = override.value


def _check_step(here: Any, part: int | str, override: _Override, depth: int) -> None:
    name = ".".join(map(str, override.location[:depth]))
    if isinstance(here, list):
        if not isinstance(part, int) or part >= len(here):
            choices = f"a number from 0 to {len(here) - 1}" if here else "nothing yet"
            raise UserError(
                f"--set {override.text}: {name} is a list; {part!r} must be {choices}"
            )
    elif not isinstance(here, dict):
        raise UserError(
            f"--set {override.text}: {name} is a single value and has no {part!r}"
        )


def _config_class(data: Mapping[str, Any], source: _Source) -> type[Experiment]:
    name = data.get("task")
    if not isinstance(name, str):
        problem = "must be a name" if "task" in data else "is missing"
        raise source.error(("task",), f"key 'task' {problem}, such as translation")
    try:
        return load_task(name).Config
    except UserError as error:
        raise source.error(("task",), str(error)) from None


def _explain(
    error: ValidationError, config_class: type[BaseModel], source: _Source
) -> UserError:
    """The first of pydantic's errors as one sentence."""
    details = error.errors(include_url=False)
    # A mistyped key is the cause of the missing one it was meant to be.
    first = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    message = _sentence(first, config_class)
    if len(details) > 1:
        others = len(details) - 1
        message += f" (and {others} more error{'s' if others > 1 else ''})"
    return source.error(first["loc"], message)


def _sentence(detail: ErrorDetails, config_class: type[BaseModel]) -> str:
    location = detail["loc"]
    name = ".".join(map(str, location))
    if detail["type"] == "extra_forbidden":
        section = _section_at(config_class, location[:-1])
        keys = list(section.model_fields) if section else []
        close = difflib.get_close_matches(str(location[-1]), keys, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown key {name!r}; {meant}choose one of: {', '.join(keys)}"
    section = _section_at(config_class, location[:-1]) if location else None
    field = section.model_fields.get(str(location[-1])) if section else None
    about = f" ({field.description})" if field and field.description else ""
    if detail["type"] == "missing":
        return f"key {name!r} is missing; add it{about}"
    if detail["type"] == "value_error":
        reason = str(detail.get("ctx", {}).get("error", detail["msg"]))
        return f"{name}: {reason}" if name else reason
    rule = detail["msg"].replace("Input should", "must")
    rule = rule.replace("True", "true").replace("False", "false")
    for ours, theirs in _PLAIN_WORDS.items():
        rule = rule.replace(theirs, ours)
    given = _short(detail["input"])
    return f"value of {name!r} {rule}, not {given}{about}"


_PLAIN_WORDS = {
    "a whole number": "a valid integer",
    "a number": "a valid number",
    "true or false": "a valid boolean",
    "text": "a valid string",
    "a list": "a valid array",
    "a section of `key: value` lines": "an object",
}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _section_at(
    config_class: type[BaseModel], location: Location
) -> type[BaseModel] | None:
    """The section that a location leads to, found through tuples and dicts."""
    here: Any = config_class
    for part in location:
        section = _model_in(here)
        if section is not None and part in section.model_fields:
            here = section.model_fields[str(part)].annotation
        elif get_origin(here) in (tuple, dict):
            here = next((a for a in get_args(here) if _model_in(a)), None)
    return _model_in(here)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation is, or may be besides null."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def template(
    config_class: type[BaseModel], values: Mapping[str, Any] | None = None
) -> str:
    """Writes a config to start from, each key with what it means beside it.

    Args:
        config_class: a task's `Config`.
        values: values that replace defaults, nested as the config is. A key that has
            neither value nor default is left empty and marked as required.

    Returns:
        YAML; it reads back if all required keys had a value.
    """
    return "\n".join(_section_lines(config_class, values or {}, "")) + "\n"


def _section_lines(
    section: type[BaseModel], values: Mapping[str, Any], indent: str
) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner, value = _model_in(field.annotation), values.get(name)
        items = _items_model(field)
        if inner is not None and (value is not None or field.default is not None):
            if not indent:
                yield ""
            yield f"{indent}{name}:{_comment(field, inner)}"
            yield from _section_lines(inner, _as_mapping(value, field), f"{indent}  ")
        elif items is not None and (value or field.is_required()):
            yield f"{indent}{name}:{_comment(field, None)}"
            for item in value or [{}]:
                lines = list(_section_lines(items, item, f"{indent}    "))
                yield f"{indent}  - {lines[0].lstrip()}"
                yield from lines[1:]
        else:
            yield f"{indent}{name}: {_scalar(value, field)}{_comment(field, None)}"


def _items_model(field: FieldInfo) -> type[BaseModel] | None:
    if get_origin(field.annotation) is not tuple:
        return None
    return next(filter(None, map(_model_in, get_args(field.annotation))), None)


def _as_mapping(value: Any, field: FieldInfo) -> Mapping[str, Any]:
    """The values of a section: given ones, else those of the field's own default."""
    default = field.default
    base = default.model_dump(mode="json") if isinstance(default, BaseModel) else {}
    return {**base, **(value or {})}


def _scalar(value: Any, field: FieldInfo) -> str:
    if value is None:
        if field.is_required():
            return ""
        value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return ""
    if isinstance(value, tuple):
        value = list(value)
    text = yaml.dump(
        value,
        Dumper=Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=10**6,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(field: FieldInfo, section: type[BaseModel] | None) -> str:
    about = field.description or ""
    if not about and section is not None and section.__doc__:
        about = section.__doc__.strip().splitlines()[0].rstrip(".")
    choices = [a for a in get_args(field.annotation) if isinstance(a, str)]
    if get_origin(field.annotation) is Literal and len(choices) > 1:
        about += f" ({' or '.join(choices)})"
    if field.is_required():
        about += " (required)"
    return f"  # {about.strip()}" if about else ""
