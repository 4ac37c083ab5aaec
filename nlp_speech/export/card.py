"""Writes the model card of a bundle: its README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from nlp_speech.bundle import SAMPLES_FILE, VARIANT_FILES, Bundle
from nlp_speech.export.card_code import (
    carried,
    cpp_call,
    python_call,
    python_loop,
    rest_request,
    server_call,
)


def model_card(bundle: Bundle) -> str:
    """The model card: use, limits, scores, licences and the device contract.

    Args:
        bundle: what is described, its `metrics` complete.
    """
    card = bundle.config.card
    parts = [
        _front_matter(bundle),
        f"# {card.title or bundle.task.NAME}",
        _facts(bundle),
        _use(bundle),
        "## Limits\n\n" + (card.limits or "Not stated."),
        _scores(bundle),
        _verification(bundle),
        _server(bundle),
        _device(bundle),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def with_scores(card: str, bundle: Bundle) -> str:
    """A card whose scores are those of a bundle now; all else stays.

    Args:
        card: of the bundle, a person may have edited it.
        bundle: with its scores.
    """
    head, *sections = re.split(r"^(?=## )", card, flags=re.MULTILINE)
    scores = _scores(bundle) + "\n\n"
    for n, section in enumerate(sections):
        if section.startswith("## Scores"):
            sections[n] = scores
            return "".join([head, *sections]).rstrip() + "\n"
    return f"{card.rstrip()}\n\n{scores}".rstrip() + "\n"


def _front_matter(bundle: Bundle) -> str:
    """The licences where machines look for them; JSON strings are YAML."""
    data = (
        "".join(f"\n  - {json.dumps(name)}" for name in bundle.data_licenses) or " []"
    )
    name = json.dumps(bundle.license or "not stated")
    return f"---\nlicense: {name}\ndata_licenses:{data}\n---"


def _facts(bundle: Bundle) -> str:
    metrics = bundle.metrics
    versions = ", ".join(f"{k} {v}" for k, v in metrics["versions"].items())
    sizes = {n: f["bytes"] for n, f in metrics["files"].items()}
    device = "; ".join(
        f"`{VARIANT_FILES[v]}` ({v}) {_bytes(sizes[VARIANT_FILES[v]])}"
        for v in bundle.variants
    )
    facts = bundle.task.EXTRAS.facts
    lines = [
        f"- Task: {bundle.task.NAME}, {metrics['parameters']:,} parameters",
        *(f"- {fact}" for fact in (facts(bundle.config) if facts else ())),
        f"- License: {bundle.license or 'not stated'}",
        f"- Licenses of its data: {', '.join(bundle.data_licenses) or 'not stated'}",
        f"- Size: {_bytes(sum(sizes.values()))} in all; {device or 'no device file'}",
        f"- Made with {versions}; seed {metrics['seed']}; commit "
        f"{metrics['commit'] or 'unknown'}",
    ]
    return "\n".join(lines)


def _use(bundle: Bundle) -> str:
    samples = bundle.samples()
    shown = samples[0]["input"] if samples else "..."
    name = bundle.metrics["name"]
    code = (
        "import nlp_speech\n\n"
        f'model = nlp_speech.load("saved_models/{name}")\n'
        f"given = {json.dumps(shown, ensure_ascii=False)}\n"
        "print(model([given])[0].as_text())"
    )
    rows = [
        f"| {_cell(_short(s['input']))} | {_cell(_short(s['output']))} |"
        for s in samples
        if s["input"].strip()
    ]
    table = "\n".join(["| input | output |", "|---|---|", *rows[:8]])
    more = f"`{SAMPLES_FILE}` holds these samples." if rows else ""
    return f"## Use\n\n```python\n{code}\n```\n\n{table}\n\n{more}".rstrip()


def _scores(bundle: Bundle) -> str:
    rows = []
    signatures: dict[str, str] = {}
    for split, result in bundle.metrics["metrics"].items():
        signatures |= result.get("signatures", {})
        count = result.get("examples", "")
        runtime = " ".join(
            str(result[key]) for key in ("runtime", "variant") if result.get(key)
        )
        rows += [
            f"| {split} | {count} | {runtime} | {name} | {value:.4g} |"
            for name, value in result.get("metrics", {}).items()
        ]
    if not rows:
        return (
            "## Scores\n\nNot measured; `nlp-speech evaluate BUNDLE --record` writes "
            "them here."
        )
    head = ["| data | examples | runtime | metric | score |", "|---|---|---|---|---|"]
    notes = [f"- {name}: `{text}`" for name, text in signatures.items()]
    return "## Scores\n\n" + "\n".join([*head, *rows]) + "\n\n" + "\n".join(notes)


def _verification(bundle: Bundle) -> str:
    report = bundle.metrics.get("verification")
    if not report:
        return ""
    lines = [
        "## Proof",
        "",
        "The same inputs through every runtime; `same` counts "
        "the answers that are those of the SavedModel, letter for letter or, where the "
        "answer is a number, but for rounding.",
        "",
        "| runtime | endpoint | same | metric lost |",
        "|---|---|---|---|",
    ]
    for check in report["checks"]:
        runtime = check["runtime"] + (
            f" {check['variant']}" if check["variant"] else ""
        )
        lost = "" if check["lost"] is None else f"{check['lost']:.2f}"
        lines.append(
            f"| {runtime} | `{check['endpoint']}` | {check['same']} of "
            f"{check['examples']} | {lost} |"
        )
    return "\n".join(lines)


def _server(bundle: Bundle) -> str:
    intro = (
        "## Server contract\n\nThe directory is a SavedModel for TensorFlow Serving; a "
        "process that loads it imports `tensorflow` and `tensorflow_text`. "
        f"`serving_default` is `{bundle.task.SERVER_ENDPOINT}`; -1 is any size."
    )
    described = [
        f"`{name}`: {' '.join(text.split())}"
        for name, text in bundle.metrics["endpoints"].items()
        if text
    ]
    server, name = bundle.metrics["server"], bundle.task.SERVER_ENDPOINT
    call = name, server[name], bundle.samples()[0]["input"]
    return "\n\n".join(
        [
            intro,
            *described,
            _signatures(server),
            f"```python\n{server_call(*call)}\n```",
            f"```sh\n{rest_request(bundle.metrics['name'], *call)}\n```",
        ]
    )


def _device(bundle: Bundle) -> str:
    device = bundle.metrics["device"]
    if not device:
        return ""
    own = sorted(bundle.metrics["assets"])
    beside = ", ".join(f"`{n}`" for n in own)
    host = f" The task's own files beside it: {beside}." if own else ""
    intro = (
        "## Device contract\n\nBuilt-in LiteRT operations only, batch size 1; -1 is "
        f"any size, to be set before each call.{host} No state is kept between calls."
    )
    name = bundle.task.DEVICE_ENDPOINT
    if name not in device:
        name = next(iter(device))
    file = VARIANT_FILES[bundle.usual_variant]
    loops = [
        f"`{other}` gives back what the next call is given:\n\n"
        f"```python\n{python_loop(file, other, sides)}\n```"
        for other, sides in device.items()
        if carried(sides)
    ]
    return "\n\n".join(
        [
            intro,
            _signatures(device),
            f"```cpp\n{cpp_call(file, name, device[name])}\n```",
            f"```python\n{python_call(file, name, device[name])}\n```",
            *loops,
        ]
    )


def _signatures(endpoints: Mapping[str, Any]) -> str:
    rows = ["| endpoint | | name | type | shape |", "|---|---|---|---|---|"]
    for endpoint, sides in endpoints.items():
        for side, word in (("inputs", "in"), ("outputs", "out")):
            rows += [
                f"| `{endpoint}` | {word} | `{name}` | {kind} | {list(shape)} |"
                for name, (kind, shape) in sides[side].items()
            ]
    return "\n".join(rows)


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
