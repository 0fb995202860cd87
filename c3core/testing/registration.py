"""Find heavy libraries that a plugin imports when it registers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

REGISTER = """
import importlib, sys
module = importlib.import_module(sys.argv[1])
for name in dir(module):
    if name.startswith("c3_") and callable(getattr(module, name)):
        getattr(module, name)(register=lambda *names, **options: None)
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def imported_when_registering(module: str, heavy: Sequence[str]) -> list[str]:
    """Return the `heavy` libraries that a new interpreter has imported after it ran a plugin's module and hooks."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", REGISTER, module, *heavy]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
