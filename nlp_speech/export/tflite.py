"""Makes device files of built-in operations, and looks inside them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from nlp_speech.bundle import TEXT_VARIANT, VARIANT_FILES, Bundle
from nlp_speech.contract import Endpoint, load_training_task
from nlp_speech.errors import UserError
from nlp_speech.export.saved_model import write_device_model
from nlp_speech.runtime.keras import restore_model

FORBIDDEN_OPERATORS = frozenset(
    {"CUSTOM", "READ_VARIABLE", "ASSIGN_VARIABLE", "VAR_HANDLE"}
)
"""Operations that the stock interpreter lacks, or that show a file without weights."""

TEXT_OPERATORS = (
    "CUSTOM:TFText>FastSentencepieceTokenize",
    "CUSTOM:TFText>FastSentencepieceDetokenize",
)
"""What a text-to-text file may hold besides."""


def write_device_files(
    model: keras.Model,
    endpoints: Mapping[str, Endpoint],
    files: Mapping[str, Path],
    scratch: Path,
) -> list[str]:
    """Converts the device endpoints to a file for each variant.

    Args:
        model: with its weights created.
        endpoints: those without a device signature are left out.
        files: where to write each variant (``dynamic``, ``float``, ``float16``,
            ``text``).
        scratch: an empty directory for the archive that is converted.

    Returns:
        The names of the endpoints in the files of built-in operations; no such file is
        written if there are none.

    Raises:
        UserError: the endpoints do not convert to built-in operations.
    """
    plain = {n: e for n, e in endpoints.items() if not e.text_operators}
    text = {n: e for n, e in endpoints.items() if e.text_operators}
    archives = {"device": scratch / "device", TEXT_VARIANT: scratch / TEXT_VARIANT}
    names = write_device_model(model, plain, archives["device"])
    text_names = write_device_model(model, text, archives[TEXT_VARIANT])
    for variant, path in files.items():
        with_text = variant == TEXT_VARIANT
        signatures = text_names if with_text else names
        if signatures:
            archive = archives[TEXT_VARIANT if with_text else "device"]
            content = convert(archive, signatures, variant)
            check_operators(content, path.name, TEXT_OPERATORS if with_text else ())
            path.write_bytes(content)
    return names


def convert(archive: Path, names: list[str], variant: str) -> bytes:
    """Converts a SavedModel's signatures to one device file.

    Args:
        archive: what `write_device_model` wrote.
        names: its signatures.
        variant: ``float``; ``dynamic``, weights of 8 bits and computation in float; or
            ``float16``, weights of 16 bits; or ``text``, as ``dynamic`` with the
            operators of tensorflow-text.

    Raises:
        UserError: an operation has no built-in equivalent.
    """
    # A converter serves once: a second conversion with the same object fails.
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(archive), signature_keys=list(names)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.allow_custom_ops = variant == TEXT_VARIANT
    if variant != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        return converter.convert()
    except Exception as error:  # the converter's own error class is not public
        if type(error).__name__ != "ConverterError":
            raise
        needed = next(
            (line for line in str(error).splitlines() if "op" in line), str(error)
        )
        raise UserError(
            f"endpoints {', '.join(names)} do not convert to built-in device "
            f"operations ({needed.strip()[:200]})"
        ) from error


def check_operators(content: bytes, name: str, allowed: Sequence[str] = ()) -> None:
    """Refuses a device file that the stock interpreter could not run, or run rightly.

    Args:
        content: the file.
        name: what to call it in the message.
        allowed: custom operations that it may hold.

    Raises:
        UserError: it holds another Flex, custom or variable operation.
    """
    wrong = sorted(
        o
        for o in operators(content).difference(allowed)
        if o.split(":")[0] in FORBIDDEN_OPERATORS
    )
    if wrong:
        raise UserError(
            f"{name}: the device file holds {', '.join(wrong)}, which the stock "
            "interpreter does not run; write the endpoint in other operations"
        )


def operators(content: bytes) -> set[str]:
    """The operations in a device file, such as ``WHILE`` or ``CUSTOM:FlexSplit``."""
    names = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if not name.startswith("_")
    }
    root = schema.Model.GetRootAs(content, 0)
    found: set[str] = set()
    for i in range(root.OperatorCodesLength()):
        code = root.OperatorCodes(i)
        assert code is not None
        # Old files have the code in a byte, which holds 127 where it does not fit.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        name = names.get(number, str(number))
        found.add(f"{name}:{custom.decode()}" if custom else name)
    return found


def convert_bundle(
    bundle: Bundle, variants: Sequence[str], directory: Path
) -> dict[str, Path]:
    """Makes device files again from the weights and the config of a bundle.

    Args:
        bundle: what is converted; it is left as it is.
        variants: which: ``dynamic``, ``float``, ``float16``.
        directory: where to write them; it exists.

    Returns:
        The files by variant.

    Raises:
        UserError: the endpoints do not convert.
    """
    training_task = load_training_task(bundle.task.NAME)
    assets = bundle.load_assets()
    model = restore_model(bundle, training_task, assets)
    endpoints = training_task.endpoints(bundle.config, assets, model)
    files = {variant: directory / VARIANT_FILES[variant] for variant in variants}
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        write_device_files(model, endpoints, files, Path(scratch))
    return files
