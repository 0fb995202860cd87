"""How a program ends: what it prints on standard error, and its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings

import pytest
import torch
import typer
from typer.testing import CliRunner

from c3core.errors import C3Error, WrongCall
from c3core.runtime.exit import exit_cleanly
from c3core.runtime.memory import is_out_of_memory

START = """
import signal, sys, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from c3core.runtime.exit import exit_cleanly
with exit_cleanly():
    """


def start(work: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", START + work], text=True, env=environment, **pipes)


@pytest.mark.parametrize(
    ("error", "status", "printed"),
    [
        (C3Error("torn. Mend it."), 1, "error: torn. Mend it.\n"),
        (WrongCall("unknown. Name another."), 2, "error: unknown. Name another.\n"),
        (KeyboardInterrupt(), 130, "stopped.\n"),
        (KeyboardInterrupt("stopped after step 3."), 130, "stopped after step 3.\n"),
        (MemoryError("no room"), 1, "error: there is not enough memory (no room). Use a smaller batch_size,"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    error: BaseException, status: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, exit_cleanly():
        raise error
    assert ended.value.code == status
    assert capsys.readouterr().err.startswith(printed)


def test_a_defect_keeps_its_traceback() -> None:
    for error in (ZeroDivisionError(), BrokenPipeError()):  # as of the pipe to a worker
        with pytest.raises(type(error)), exit_cleanly():
            raise error


def test_a_warning_is_one_line_only_inside(capsys: pytest.CaptureFixture[str]) -> None:
    before = warnings.showwarning
    with warnings.catch_warnings(action="always"), exit_cleanly():
        warnings.warn("few items.", stacklevel=1)
    assert capsys.readouterr().err == "warning: few items.\n"
    assert warnings.showwarning is before


def test_ctrl_c_ends_a_program() -> None:
    process = start("print('begun', flush=True); time.sleep(30)")
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == "stopped.\n"
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("closed", "work", "status"),
    [
        ("stdout", "print('a short line, still in the buffer')", 0),
        ("stderr", "print('lost', file=sys.stderr, flush=True)", 1),
        ("stderr", "warnings.warn('few items.')", 0),
        ("stderr", "raise KeyboardInterrupt", 130),
        ("stderr", "try: raise KeyboardInterrupt\n    finally: print('lost', file=sys.stderr, flush=True)", 130),
    ],
)
def test_a_closed_pipe_is_no_traceback(closed: str, work: str, status: int) -> None:
    process = start(work)
    getattr(process, closed).close()
    other = process.stderr if closed == "stdout" else process.stdout
    assert other is not None
    assert other.read() == ""
    assert process.wait(60) == status


def test_a_program_may_have_no_standard_output() -> None:
    program = START.replace("with exit", "sys.stdout = None\nwith exit") + "print('nowhere')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_typer_does_not_hide_an_early_end_of_a_file() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    @exit_cleanly()
    def main() -> None:
        raise EOFError("no data left")

    found = CliRunner().invoke(app)
    assert "Aborted" not in found.output
    assert isinstance(found.exception, RuntimeError)


def test_errors_of_too_little_memory_are_recognized() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"))
    assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_decorated_function_keeps_its_name_and_result() -> None:
    @exit_cleanly()
    def main() -> int:
        return 3

    assert main.__name__ == "main"
    assert main() == 3
