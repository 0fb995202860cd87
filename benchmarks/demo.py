"""How long `c3 demo` takes: until the first captions, and until its end, as shares of 30 seconds and six minutes.

Run it on an idle machine: `python benchmarks/demo.py`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from tempfile import TemporaryDirectory

from c3core.runtime import print_table

ALLOWED = {"first captions": 30.0, "all": 360.0}  # seconds


def main() -> None:
    command = [sys.executable, "-u", "-W", "ignore", "-m", "c3core", "demo", "--out"]
    with TemporaryDirectory() as folder:
        started, seconds = time.monotonic(), {}
        with subprocess.Popen([*command, folder], stdout=subprocess.PIPE, text=True) as demo:
            assert demo.stdout is not None
            for line in demo.stdout:
                if "the first captions" in line:
                    seconds["first captions"] = time.monotonic() - started
        seconds["all"] = time.monotonic() - started
    if demo.returncode:
        sys.exit(demo.returncode)
    rows = [
        {"until": name, "seconds": f"{spent:.0f}", "of those allowed": f"{spent / ALLOWED[name]:.2f}"}
        for name, spent in seconds.items()
    ]
    print_table(rows, list(rows[0]))


if __name__ == "__main__":
    main()
