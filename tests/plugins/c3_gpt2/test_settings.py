from __future__ import annotations

import importlib.util

import pytest

from c3_gpt2.decoder import CaptionDecoder
from c3core.errors import C3Error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "fresh", "prefix_lenght": 3}, "did you mean prefix_length"),
        ({"model": "gpt2", "layers": 2}, 'layers is for model="fresh"'),
        ({"model": "gpt2", "lora_rank": 4}, 'lora_rank has no effect without train="lora"'),
        ({"model": "gpt2", "mapping_layers": 2}, 'mapping_layers has no effect without mapping="transformer"'),
        ({"model": "fresh", "width": 30, "heads": 4}, "width 30 must be a multiple of heads 4"),
        ({"model": "fresh", "vocabulary": 100}, "vocabulary"),
        ({"model": "fresh", "train": "lora"}, "needs a pretrained model"),
        ({"model": "fresh", "train": "mapping"}, "needs a pretrained model"),
        ({"model": "fresh", "mapping": "conv"}, "mapping"),
        ({"model": "fresh", "prefix_length": 0}, "prefix_length"),
        ({"model": "fresh", "width": 1 << 40}, "width: .*less than or equal to"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(C3Error, match=message):
        CaptionDecoder(8, **options)


def test_lora_without_peft_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("c3_gpt2.lora.find_spec", lambda name: None if name == "peft" else find(name))
    with pytest.raises(C3Error, match=r'pip install "c3core\[gpt2\]"'):
        CaptionDecoder(8, model="gpt2", train="lora")


def test_nothing_works_before_prepare(tmp_path_factory: pytest.TempPathFactory) -> None:
    import torch

    decoder = CaptionDecoder(8, model="fresh", layers=1, heads=1, width=16)
    for use in (
        lambda: decoder.collate(["a"]),
        lambda: decoder.generate(torch.zeros(1, 8)),
        lambda: decoder.save(tmp_path_factory.mktemp("unprepared")),
    ):
        with pytest.raises(C3Error, match="call `prepare`"):
            use()
    with pytest.raises(C3Error, match="there are none"):
        decoder.prepare([])
