"""How a program ends: each is a process of its own, as its exit status is what counts."""

from __future__ import annotations

import signal
import subprocess
import sys
import warnings

import pytest
import torch

from c3core.ending import no_memory, plain_end
from c3core.errors import C3Error

START = """
import signal, sys, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from c3core.ending import plain_end
class Last:
    def __del__(self): raise KeyboardInterrupt
"""


def ended(work: str) -> tuple[int, str]:
    program = f"{START}\nwith plain_end():\n    {work}\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        ("pass", 0, ""),
        ("from c3core.errors import C3Error; raise C3Error('torn. Mend it.')", 1, "error: torn. Mend it.\n"),
        ("from c3core.errors import WrongCall; raise WrongCall('unknown. Name another.')", 2, "error: unknown. Name another.\n"),
        ("raise KeyboardInterrupt", 130, "stopped.\n"),
        ("raise KeyboardInterrupt('stopped after step 3.')", 130, "stopped after step 3.\n"),
        ("raise BrokenPipeError", 0, ""),
        ("warnings.warn('few items.')", 0, "warning: few items.\n"),
        ("x = Last(); del x; time.sleep(90)", 130, "stopped.\n"),  # Ctrl-C in a finaliser, which Python drops
    ],
)
def test_what_is_said_and_the_exit_status(work: str, status: int, said: str) -> None:
    assert ended(work) == (status, said)


def test_a_defect_keeps_its_traceback() -> None:
    status, said = ended("1 / 0")
    assert status == 1
    assert "Traceback" in said
    assert "ZeroDivisionError" in said


def test_ctrl_c_from_outside() -> None:
    program = f"{START}\nwith plain_end():\n    print('begun', flush=True)\n    time.sleep(30)\n"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "stopped.\n"
    assert process.returncode == 130


def test_memory_that_does_not_suffice(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, plain_end():
        torch.empty(1 << 55)  # what torch itself says of it
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: there is not enough memory")
    assert "smaller batch_size" in said
    assert no_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not no_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_as_a_decorator_it_keeps_name_and_result() -> None:
    @plain_end()
    def main() -> int:
        return 3

    assert main.__name__ == "main"
    assert main() == 3


def test_outside_of_it_nothing_is_changed() -> None:
    before = warnings.showwarning, sys.unraisablehook
    with pytest.raises(SystemExit), plain_end():
        raise C3Error("torn. Mend it.")
    assert (warnings.showwarning, sys.unraisablehook) == before
