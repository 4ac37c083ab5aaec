"""Imports go down only, and the light side imports no TensorFlow."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "nlp_speech"

BOTTOM = {"files", "errors", "sections", "progress"}
KERNEL = BOTTOM | {"text", "audio", "layers", "decoding", "metrics", "models", "data"}
LIGHT = BOTTOM | {"contract", "config", "bundle", "weights"}

# What each part may import besides itself, design.md section 1. A new part gets a line.
ALLOWED = {
    "errors": set(),
    "progress": set(),
    "sections": {"errors"},
    "yaml_nodes": {"errors"},
    "files": {"errors"},
    "weights": {"errors", "files"},
    "metrics": BOTTOM | {"text"},
    "word_errors": BOTTOM | {"metrics"},
    "plots": BOTTOM,
    "sound_plots": BOTTOM | {"plots", "audio"},
    "highlight": BOTTOM,
    "contract": BOTTOM,
    "text": BOTTOM,
    "audio": BOTTOM,
    "layers": BOTTOM,
    "decoding": BOTTOM,
    "models": BOTTOM | {"layers", "decoding", "weights"},
    "data": BOTTOM | {"contract", "text", "audio"},
    "space": BOTTOM,
    "config": BOTTOM | {"contract", "yaml_nodes", "space"},
    "bundle": BOTTOM | {"contract", "config"},
    "check": BOTTOM | {"contract"},
    "starter": BOTTOM | {"contract", "config"},
    "pretrained": LIGHT,
    "tasks": LIGHT | KERNEL | {"pretrained", "word_errors"},
    "runtime": LIGHT,
    "evaluate": LIGHT | {"runtime", "metrics"},
    "training": LIGHT | KERNEL | {"runtime", "evaluate", "run_files"},
    "export": LIGHT | {"runtime", "evaluate", "metrics", "run_files", "layers"},
    "run_files": BOTTOM | {"config", "data"},
    "workers": {"errors"},
    "runs": LIGHT | {"export", "runtime", "weights", "run_files"},
    "tune": LIGHT | {"space", "training", "plots", "run_files"},
    "benchmark": LIGHT | {"runtime"},
    "serving": LIGHT | {"runtime"},
}
# These sit on top, or are handed to the user, and may import anything below.
TOP = {
    "cli",
    "bundle_commands",
    "speech_commands",
    "text_commands",
    "options",
    "console",
    "console_plots",
    "demo",
    "__init__",
    "__main__",
}

LIGHT_FILES = (
    "__init__.py",
    "check.py",
    "cli.py",
    "console.py",
    "console_plots.py",
    "options.py",
    "bundle_commands.py",
    "speech_commands.py",
    "text_commands.py",
    "config.py",
    "contract.py",
    "bundle.py",
    "errors.py",
    "sections.py",
    "space.py",
    "yaml_nodes.py",
    "audio/__init__.py",
    "audio/augment.py",
    "audio/decode.py",
    "audio/features.py",
    "audio/inputs.py",
    "audio/pauses.py",
    "audio/picture.py",
    "audio/sections.py",
    "audio/synthesis.py",
    "data/documents.py",
    "data/fetch.py",
    "data/labelled.py",
    "data/manifests.py",
    "data/parallel.py",
    "data/paths.py",
    "data/sound_store.py",
    "data/spoken_corpus.py",
    "data/tables.py",
    "data/texts.py",
    "data/text_check.py",
    "data/tfds.py",
    "models/strides.py",
    "progress.py",
    "word_errors.py",
    "workers.py",
    "runtime/__init__.py",
    "runtime/litert.py",
    "runtime/progressive.py",
    "tasks/language_model/continuing.py",
    "text/flat.py",
    "text/hypotheses.py",
    "text/labels.py",
    "text/tokenizer.py",
    "text/normalization.py",
    "text/occlusion.py",
    "highlight.py",
)
HEAVY = {
    "tensorflow",
    "keras",
    "tensorflow_text",
    "librosa",
    "matplotlib",
    "optuna",
    "sklearn",
}


def module_path(name: str) -> Path | None:
    """The file of a module of ours, or None."""
    base = ROOT.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def modules_of(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules that a statement imports, submodules of packages included."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, "relative imports hide where a module is"
    assert node.module is not None
    submodules = [f"{node.module}.{alias.name}" for alias in node.names]
    found = [name for name in submodules if module_path(name)]
    yield from found or [node.module]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in (
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    )


def imports(tree: ast.AST, at_load: bool) -> Iterator[str]:
    """The modules imported anywhere in a file, or only while it is loaded."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from modules_of(node)
        elif at_load and (
            is_type_checking(node)
            or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ):
            continue
        else:
            yield from imports(node, at_load)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def ours(path: Path, at_load: bool = False) -> set[str]:
    return {m for m in imports(parse(path), at_load) if m.split(".")[0] == "nlp_speech"}


def test_imports_go_down_only() -> None:
    upward = []
    for path in sources():
        unit = unit_of(name_of(path))
        if unit in TOP:
            continue
        assert unit in ALLOWED, f"{unit}: say in ALLOWED what this new part may import"
        for module in sorted(ours(path)):
            # The package itself is only its version here: load() is for users.
            other = unit_of(module)
            if other not in ALLOWED[unit] | {unit, "__init__"}:
                upward.append(f"{name_of(path)} imports {module}")
    assert upward == []


def test_allowed_has_no_cycle() -> None:
    # Take away parts that depend on no other, until none is left.
    graph = {unit: set(allowed) - {unit} for unit, allowed in ALLOWED.items()}
    while graph:
        free = [unit for unit, allowed in graph.items() if not allowed & graph.keys()]
        assert free, f"these parts may import each other: {sorted(graph)}"
        for unit in free:
            del graph[unit]


def test_no_module_outside_a_task_names_it() -> None:
    tasks = {p.name for p in (PACKAGE / "tasks").iterdir() if p.is_dir()}
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in sources()
        if unit_of(name_of(path)) not in TOP
        for module in ours(path)
        if module.startswith("nlp_speech.tasks.")
        and module.split(".")[2] in tasks
        and not name_of(path).startswith(".".join(module.split(".")[:3]))
    ]
    assert wrong == []


def loaded(start: Path) -> Iterator[tuple[str, str]]:
    """Follows imports made at load: pairs of importing and imported module."""
    waiting, seen = [start], {start}
    while waiting:
        path = waiting.pop()
        for module in imports(parse(path), at_load=True):
            yield name_of(path), module
            # Importing a.b.c loads a and a.b as well.
            parts = module.split(".")
            for end in range(1, len(parts) + 1):
                below = module_path(".".join(parts[:end]))
                if parts[0] == "nlp_speech" and below and below not in seen:
                    seen.add(below)
                    waiting.append(below)


@pytest.mark.parametrize(
    "path",
    [PACKAGE / name for name in LIGHT_FILES]
    + [
        path
        for task in sorted((PACKAGE / "tasks").glob("*/__init__.py"))
        for path in (task, task.with_name("config.py"), task.with_name("check.py"))
    ],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_light_side_loads_nothing_heavy(path: Path) -> None:
    heavy = [
        f"{importer} imports {module}"
        for importer, module in loaded(path)
        if module.split(".")[0] in HEAVY
    ]
    assert heavy == []


def run_python(code: str) -> dict[str, float]:
    """Runs code in a fresh interpreter; the last line it prints is JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", ["nlp_speech", "nlp_speech.cli"])
def test_import_is_quick(module: str) -> None:
    # Processor time, so that what else the machine does is not counted.
    code = (
        "import json, sys, time\n"
        "start = time.process_time()\n"
        f"import {module}\n"
        "spent = time.process_time() - start\n"
        f"heavy = sorted({HEAVY!r} & set(sys.modules))\n"
        "print(json.dumps({'seconds': spent, 'heavy': heavy}))"
    )
    results = [run_python(code) for _ in range(3)]
    assert results[0]["heavy"] == []
    assert min(r["seconds"] for r in results) < 0.5
