"""YAML read by the rules of version 1.2, with the line of every key kept.

PyYAML alone reads YAML 1.1, where ``no`` is false and ``1e-3`` is text, and takes the
last of two equal keys without a word.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from nlp_speech.errors import UserError


class Loader(yaml.SafeLoader):
    """Reads scalars as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


class Dumper(yaml.SafeDumper):
    """Quotes what either YAML version would not read as text; writes no aliases."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: list(rules)
        for first, rules in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def ignore_aliases(self, data: Any) -> bool:
        """Writes equal values out in full."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Escapes line ends: PyYAML loses U+0085 and its like between plain quotes."""
        style = '"' if len(data.splitlines()) > 1 or data[-1:].isspace() else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


Dumper.add_representer(str, Dumper.represent_str)


_RULES = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)


def _construct_int(loader: Loader, node: yaml.ScalarNode) -> int:
    """Reads a decimal number: `010` is ten."""
    try:
        return int(str(loader.construct_scalar(node)), 10)
    except ValueError as error:
        raise yaml.constructor.ConstructorError(
            None, None, "this is no whole number", node.start_mark
        ) from error


for _name, _pattern, _first in _RULES:
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _first
        )
Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def read_nodes(path: Path) -> yaml.Node:
    """Parses a YAML file to nodes that know their lines.

    Returns:
        The root, a mapping.

    Raises:
        UserError: the file cannot be read, or is no UTF-8, or no YAML mapping.
    """
    return _compose(path, _read_text(path))


def construct(path: Path, root: yaml.Node) -> dict[str, Any]:
    """Turns nodes into plain data, once no key is given twice.

    Raises:
        UserError: a key is given twice, or a value cannot be read.
    """
    _refuse_duplicates(path, root, set())
    loader = Loader("")
    try:
        return loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = f"this value cannot be read: {error.problem}"
        raise UserError.at(path, line, message) from None
    finally:
        loader.dispose()


def _refuse_duplicates(path: Path, node: yaml.Node, seen: set[int]) -> None:
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_duplicates(path, child, seen)
        return
    lines: dict[str, int] = {}
    for key, child in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise UserError.at(path, line, "a key must be text; quote it")
        if key.value in lines:
            message = (
                f"key {key.value!r} is already given on line {lines[key.value]}; "
                "keep one of them"
            )
            raise UserError.at(path, line, message)
        lines[key.value] = line
        _refuse_duplicates(path, child, seen)


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        message = "there is no such file; check the path of the config"
        raise UserError.at(path, None, message) from None
    except OSError as error:
        message = f"the config cannot be read: {error.strerror}"
        raise UserError.at(path, None, message) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = "this is not UTF-8; save the config as UTF-8"
        raise UserError.at(path, line, message) from None


def _compose(path: Path, text: str) -> yaml.Node:
    """Parses YAML to nodes that know their lines; the root is a mapping."""
    try:
        root = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        message = f"this is not valid YAML: {error.problem or error.context}"
        raise UserError.at(path, line, message) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = "this is not valid YAML: a control character; remove it"
        raise UserError.at(path, line, message) from None
    except RecursionError:
        raise UserError.at(path, 1, "the config is nested too deeply") from None
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1 if root else None
        message = "a config is lines of `key: value`; begin with `task: NAME`"
        raise UserError.at(path, line, message)
    return root
