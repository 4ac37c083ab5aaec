"""Writes the model card of a bundle: its README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nlp_speech.bundle import SAMPLES_FILE, VARIANT_FILES, Bundle

_CPP_TYPES = {"float32": "float", "int32": "int32_t", "int64": "int64_t"}


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
        return "## Scores\n\nNot measured."
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
    return "\n\n".join([intro, *described, _signatures(bundle.metrics["server"])])


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
    file = VARIANT_FILES[(*bundle.variants, "dynamic")[0]]
    loops = [
        f"`{other}` gives back what the next call is given:\n\n"
        f"```python\n{_python_loop(file, other, sides)}\n```"
        for other, sides in device.items()
        if _carried(sides)
    ]
    return "\n\n".join(
        [
            intro,
            _signatures(device),
            f"```cpp\n{_cpp(file, name, device[name])}\n```",
            f"```python\n{_python(file, name, device[name])}\n```",
            *loops,
        ]
    )


def _carried(sides: Mapping[str, Any]) -> list[str]:
    """The outputs of a call that the next one is given: what is called a state."""
    both = sides["inputs"].keys() & sides["outputs"].keys()
    return sorted(name for name in both if name.startswith("state"))


def _signatures(endpoints: Mapping[str, Any]) -> str:
    rows = ["| endpoint | | name | type | shape |", "|---|---|---|---|---|"]
    for endpoint, sides in endpoints.items():
        for side, word in (("inputs", "in"), ("outputs", "out")):
            rows += [
                f"| `{endpoint}` | {word} | `{name}` | {kind} | {list(shape)} |"
                for name, (kind, shape) in sides[side].items()
            ]
    return "\n".join(rows)


def _cpp(file: str, endpoint: str, sides: Mapping[str, Any]) -> str:
    lines = [
        f'auto model = tflite::FlatBufferModel::BuildFromFile("{file}");',
        "tflite::ops::builtin::BuiltinOpResolver resolver;",
        "std::unique_ptr<tflite::Interpreter> interpreter;",
        "tflite::InterpreterBuilder(*model, resolver)(&interpreter);",
        f'auto* runner = interpreter->GetSignatureRunner("{endpoint}");',
    ]
    for name, (_, shape) in sides["inputs"].items():
        if -1 in shape:
            sizes = ", ".join("n" if size == -1 else str(size) for size in shape)
            lines.append(f'runner->ResizeInputTensor("{name}", {{{sizes}}});')
    lines.append("runner->AllocateTensors();")
    for name, (kind, _) in sides["inputs"].items():
        lines.append(
            f"{_CPP_TYPES.get(kind, kind)}* {name} = "
            f'runner->input_tensor("{name}")->data.{_member(kind)};  // fill'
        )
    lines.append("runner->Invoke();")
    for name, (kind, _) in sides["outputs"].items():
        lines.append(
            f'const auto* out_{name} = runner->output_tensor("{name}");'
            f"  // data.{_member(kind)}, sizes in dims"
        )
    return "\n".join(lines)


def _member(kind: str) -> str:
    return {"float32": "f", "int32": "i32", "int64": "i64"}.get(kind, "data")


def _python(file: str, endpoint: str, sides: Mapping[str, Any]) -> str:
    inputs = [f"    {name}={_ones(*kind)}," for name, kind in sides["inputs"].items()]
    names = ", ".join(sides["outputs"])
    begin = _python_runner(file, endpoint)
    return "\n".join([*begin, "outputs = runner(", *inputs, f")  # {{{names}}}"])


def _python_loop(file: str, endpoint: str, sides: Mapping[str, Any]) -> str:
    """A call for each chunk of a stream; what is carried is 0 before the first."""
    carried = _carried(sides)
    begin = [
        f"{name} = {_ones(*sides['inputs'][name], maker='zeros')}" for name in carried
    ]
    inputs = [
        f"        {name}={name if name in carried else _ones(*kind)},"
        for name, kind in sides["inputs"].items()
    ]
    return "\n".join(
        [
            *_python_runner(file, endpoint),
            *begin,
            "for _ in range(9):  # chunk after chunk",
            "    outputs = runner(",
            *inputs,
            "    )",
            *(f'    {name} = outputs["{name}"]' for name in carried),
        ]
    )


def _python_runner(file: str, endpoint: str) -> list[str]:
    return [
        "import numpy as np",
        "from ai_edge_litert.interpreter import Interpreter",
        "",
        f'interpreter = Interpreter("{file}")',
        f'runner = interpreter.get_signature_runner("{endpoint}")',
    ]


def _ones(kind: str, shape: Sequence[int], maker: str = "ones") -> str:
    sizes = ", ".join("9" if size == -1 else str(size) for size in shape)
    return f"np.{maker}(({sizes}{',' if len(shape) == 1 else ''}), np.{kind})"


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
