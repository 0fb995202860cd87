"""How a program ends: each is a process of its own, as its exit status is what counts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from c3core.errors import C3Error
from c3core.runtime.exit import exit_cleanly
from c3core.runtime.memory import is_out_of_memory

START = """
import signal, sys, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from c3core.runtime.exit import exit_cleanly
class Last:
    def __del__(self): raise KeyboardInterrupt
"""


def ended(work: str) -> tuple[int, str]:
    program = f"{START}\nwith exit_cleanly():\n    {work}\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("work", "status", "said"),
    [
        ("pass", 0, ""),
        ("from c3core.errors import C3Error; raise C3Error('torn. Mend it.')", 1, "error: torn. Mend it.\n"),
        (
            "from c3core.errors import WrongCall; raise WrongCall('unknown. Name another.')",
            2,
            "error: unknown. Name another.\n",
        ),
        ("raise KeyboardInterrupt", 130, "stopped.\n"),
        ("raise KeyboardInterrupt('stopped after step 3.')", 130, "stopped after step 3.\n"),
        ("warnings.warn('few items.')", 0, "warning: few items.\n"),
        ("x = Last(); del x; time.sleep(90)", 130, "stopped.\n"),  # Ctrl-C in a finaliser, which Python drops
    ],
)
def test_what_is_said_and_the_exit_status(work: str, status: int, said: str) -> None:
    assert ended(work) == (status, said)


def test_ctrl_c_that_ends_the_reader_of_the_log_too_is_ctrl_c() -> None:
    work = "try: raise KeyboardInterrupt\n    finally: raise BrokenPipeError"  # as the last line of progress does
    assert ended(work) == (130, "")


@pytest.mark.parametrize(
    ("work", "status", "printed"),
    [
        ("raise KeyboardInterrupt", 130, b""),
        ("warnings.warn('few items.'); print('done')", 0, b"done\n"),
        ("print('lost', file=sys.stderr, flush=True); print('done')", 1, b""),
    ],
)
def test_a_log_that_nobody_reads_any_more(work: str, status: int, printed: bytes) -> None:
    program = f"{START}\nwith exit_cleanly():\n    {work}\n"
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stderr is not None
    assert process.stdout is not None
    process.stderr.close()
    assert (process.stdout.read(), process.wait(60)) == (printed, status)


def test_without_standard_output() -> None:
    program = f"{START}\nsys.stdout = None\nwith exit_cleanly():\n    print('nowhere')\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_that_falls_into_two_deletions_is_heard() -> None:
    class_ = "class Slow:\n    def __del__(self): time.sleep(0.3)\n"
    work = "signal.setitimer(signal.ITIMER_REAL, 0.1); one = Slow(); del one; two = Slow(); del two; time.sleep(60)"
    alarm = "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
    program = f"{START}\n{class_}{alarm}with exit_cleanly():\n    {work}\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (130, "stopped.\n")


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"{START}\nwith exit_cleanly():\n    print('a short line, still in the buffer')\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 0


def test_an_early_end_of_a_file_is_a_defect_as_others() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @exit_cleanly()
    def main() -> None:
        raise EOFError("no data left")

    found = CliRunner().invoke(app)
    assert "Aborted" not in found.output
    assert isinstance(found.exception, RuntimeError)
    assert isinstance(found.exception.__cause__, EOFError)


@pytest.mark.parametrize(
    ("work", "error"), [("1 / 0", "ZeroDivisionError"), ("raise BrokenPipeError", "BrokenPipeError")]
)
def test_a_defect_keeps_its_traceback(work: str, error: str) -> None:
    status, said = ended(work)
    assert status == 1
    assert "Traceback" in said
    assert error in said


def test_ctrl_c_from_outside() -> None:
    program = f"{START}\nwith exit_cleanly():\n    print('begun', flush=True)\n    time.sleep(30)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "stopped.\n"
    assert process.returncode == 130


def test_memory_that_does_not_suffice(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, exit_cleanly():
        torch.empty(1 << 55)  # what torch itself says of it
    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: there is not enough memory")
    assert "smaller batch_size" in said
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_as_a_decorator_it_keeps_name_and_result() -> None:
    @exit_cleanly()
    def main() -> int:
        return 3

    assert main.__name__ == "main"
    assert main() == 3


def test_outside_of_it_nothing_is_changed() -> None:
    before = warnings.showwarning, sys.unraisablehook
    with pytest.raises(SystemExit), exit_cleanly():
        raise C3Error("torn. Mend it.")
    assert (warnings.showwarning, sys.unraisablehook) == before
