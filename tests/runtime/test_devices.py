"""Devices and precisions by name."""

from __future__ import annotations

import pytest
import torch

from c3core.errors import C3Error, WrongCall
from c3core.runtime.devices import PRECISIONS, compute_dtype, device_of, processes


def test_cpu_is_always_there():
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("cpu:0") == torch.device("cpu:0")


def test_a_device_stays_itself():
    device = torch.device("meta")
    assert device_of(device) is device


def test_auto_is_a_device_that_works():
    found = device_of("auto")
    assert (found.type == "cpu") == (torch.accelerator.current_accelerator(check_available=True) is None)
    assert torch.ones(2, device=found).sum().item() == 2


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cpu cpu", "cuda:-1"])
def test_an_unknown_name_says_which_there_are(name):
    with pytest.raises(C3Error, match=r"no device is called .*Use auto, cpu, cuda or mps"):
        device_of(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:99", "mps", "xpu"])
def test_a_device_that_is_not_here_is_one_line(name):
    kind = name.partition(":")[0]
    there = torch.accelerator.current_accelerator(check_available=True)
    if there is not None and there.type == kind and name != "cuda:99":
        assert device_of(name).type == kind
        return
    with pytest.raises(C3Error, match=f"this machine has no device '{name}' .*Use auto or cpu") as caught:
        device_of(name)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("has", "computes"),
    [
        ({}, set()),
        ({"avx2": True, "avx512_bf16": False}, set()),
        ({"amx_bf16": True}, {"bfloat16"}),
        ({"avx512_bf16": True, "avx2": True}, {"bfloat16"}),
        ({"avx512_fp16": True}, {"float16"}),
        ({"fp16_arith": True, "bf16": True}, {"float16", "bfloat16"}),
    ],
)
def test_a_processor_computes_in_float32_what_it_would_emulate(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, bool], computes: set[str]
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    for name, dtype in PRECISIONS.items():
        expected = dtype if name in computes else torch.float32
        assert compute_dtype(name, torch.device("cpu")) is expected
    assert compute_dtype("auto", torch.device("cpu")) is torch.float32


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bfloat16_on_cuda_if_the_card_has_it(monkeypatch: pytest.MonkeyPatch, has: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has or including_emulation)
    expected = torch.bfloat16 if has else torch.float32
    assert compute_dtype("auto", torch.device("cuda")) is expected
    assert compute_dtype("bfloat16", torch.device("cuda")) is expected
    assert compute_dtype("float16", torch.device("cuda")) is torch.float16
    assert compute_dtype("float32", torch.device("cuda")) is torch.float32


def test_an_unknown_precision_offers_near_ones() -> None:
    with pytest.raises(WrongCall, match=r"no precision is called 'bf16': did you mean bfloat16"):
        compute_dtype("bf16", torch.device("cpu"))
    with pytest.raises(WrongCall, match="known: auto, bfloat16, float16, float32"):
        compute_dtype("double", torch.device("cpu"))


def test_processes_that_do_not_know_of_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes().num_processes == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(C3Error, match="2 processes were started.*ACCELERATE_USE_CPU"):
        processes()
