"""The code of a model card: calls of a bundle on a server and on a device.

The signatures of an endpoint, `sides`, are those of a bundle's metrics: of its inputs
and outputs the type and the shape by name, -1 for any size.
"""

from __future__ import annotations

import json
import re
import shlex
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

_CPP_TYPES = {"float32": "float", "int32": "int32_t", "int64": "int64_t"}
_SOME = 3  # where any size is allowed
_VALUES = {"float32": 0.0}


def server_call(endpoint: str, sides: Mapping[str, Any], given: str) -> str:
    """Python that calls an endpoint of the SavedModel; `given` is an input's text."""
    inputs = [
        f"    {name}=tf.constant({json.dumps(value, ensure_ascii=False)}),"
        for name, value in _values(sides, given).items()
    ]
    names = ", ".join(sides["outputs"])
    return "\n".join(
        [
            "import tensorflow as tf",
            "import tensorflow_text  # operations of the graph",
            "",
            'model = tf.saved_model.load(".")',
            f"# gives {names}",
            f'outputs = model.signatures["{endpoint}"](',
            *inputs,
            ")",
        ]
    )


def rest_request(
    model: str, endpoint: str, sides: Mapping[str, Any], given: str
) -> str:
    """Shell commands that start TensorFlow Serving and ask it once."""
    values = _values(sides, given)
    body = {"signature_name": endpoint, "inputs": values}
    quoted = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    word, url = shlex.quote(model), urllib.parse.quote(model)
    inner = re.sub(r'(["$`\\])', r"\\\1", model)  # between double quotes
    return "\n".join(
        [
            "# in the directory above",
            f'docker run -p 8501:8501 -v "$PWD:/models/{inner}" -e MODEL_NAME={word} '
            "tensorflow/serving &",
            f"curl localhost:8501/v1/models/{url}:predict -d \\",
            f"  '{quoted}'",
        ]
    )


def _values(sides: Mapping[str, Any], given: str) -> dict[str, Any]:
    """A batch of one for every input."""
    found = {}
    for name, (kind, shape) in sides["inputs"].items():
        value: Any = given if kind == "string" else _VALUES.get(kind, _SOME)
        for size in reversed(shape[1:]):
            value = [value] * (_SOME if size == -1 else size)
        found[name] = [value]
    return found


def cpp_call(file: str, endpoint: str, sides: Mapping[str, Any]) -> str:
    """C++ that calls an endpoint of a device file."""
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


def python_call(file: str, endpoint: str, sides: Mapping[str, Any]) -> str:
    """Python that calls an endpoint of a device file."""
    inputs = [f"    {name}={_ones(*kind)}," for name, kind in sides["inputs"].items()]
    names = ", ".join(sides["outputs"])
    begin = _runner(file, endpoint)
    return "\n".join([*begin, "outputs = runner(", *inputs, f")  # {{{names}}}"])


def python_loop(file: str, endpoint: str, sides: Mapping[str, Any]) -> str:
    """A call for each chunk of a stream; what is carried is 0 before the first."""
    names = carried(sides)
    begin = [
        f"{name} = {_ones(*sides['inputs'][name], maker='zeros')}" for name in names
    ]
    inputs = [
        f"        {name}={name if name in names else _ones(*kind)},"
        for name, kind in sides["inputs"].items()
    ]
    return "\n".join(
        [
            *_runner(file, endpoint),
            *begin,
            "for _ in range(9):  # chunk after chunk",
            "    outputs = runner(",
            *inputs,
            "    )",
            *(f'    {name} = outputs["{name}"]' for name in names),
        ]
    )


def _runner(file: str, endpoint: str) -> list[str]:
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


def carried(sides: Mapping[str, Any]) -> list[str]:
    """The outputs of a call that the next one is given: what is called a state."""
    both = sides["inputs"].keys() & sides["outputs"].keys()
    return sorted(name for name in both if name.startswith("state"))
