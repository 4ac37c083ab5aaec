"""The peers (torch, Joey NMT): their own environment, and runs inside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from side_by_side import Run

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("NLP_SPEECH_PEERS", HERE.parents[1] / ".peers"))
# Joey NMT pins a protobuf that no longer installs, and needs much that training in
# memory does not: its own files come without dependencies, the needed ones by name.
PACKAGES = [
    *("torch==2.13.0", "numpy", "pyyaml", "sentencepiece", "sacremoses", "subword-nmt"),
    *(
        "importlib_metadata",
        "sacrebleu",
        "tensorboard",
        "matplotlib",
        "pandas",
        "packaging",
        "six",
    ),
]
BARE = ["joeynmt==2.3.0"]


def python() -> Path:
    """The peers' Python; the first call makes their environment (pip, minutes).

    An environment that was left half-made, or was damaged, is made anew.
    """
    program = FOLDER / "bin" / "python"
    ready = FOLDER / "ready.json"
    wanted = [*PACKAGES, *BARE]
    if _read(ready) == wanted and _complete(program):
        return program
    print(f"installing the peers into {FOLDER}", file=sys.stderr, flush=True)
    pip = [str(program), "-m", "pip", "install", "--quiet"]
    try:
        venv.create(FOLDER, with_pip=True, clear=True)
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", *BARE], check=True)
        ready.write_text(json.dumps(wanted))
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"{FOLDER}: the peers' environment could not be made ({error}); look at "
            "the network and the disk, and run this again"
        ) from error
    return program


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _complete(program: Path) -> bool:
    """Whether the packages can be found: nothing is imported, which would take long."""
    code = (
        "import importlib.util as u, sys\n"
        "sys.exit(not all(map(u.find_spec, ['torch', 'joeynmt', 'pandas'])))"
    )
    try:
        return subprocess.run([str(program), "-c", code], check=False).returncode == 0
    except OSError:
        return False


class Peer:
    """A process of the peers' Python that measures what it is asked to, in turns."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [str(python()), str(HERE / "peer_torch.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, name: str, **options: Any) -> Run:
        """A run of a case of `peer_torch`; it is built by the first call."""
        return lambda: self.ask(name, **options)["seconds"]

    def ask(self, name: str, **options: Any) -> dict[str, Any]:
        """Sends one case and waits for its answer."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps({"case": name, **options}) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise SystemExit(
                f"the peers' process ended with {self.process.wait()} in case {name!r} "
                f"(see above); remove {FOLDER} to have its environment made anew"
            )
        return json.loads(answer)

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
