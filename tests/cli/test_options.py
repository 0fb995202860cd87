"""An option that no command has: what to write instead."""

from __future__ import annotations

import pytest

from tests.helpers.command_line import c3

RUN = ("run", "playground/captioner", "photo.jpg")
FIT = ("fit", "recipe.yaml", "--out", "out")
ABLATE = ("ablate", "recipe.yaml", "table.csv", "--out", "out")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*RUN, "--beams", "2"), "--beams. Write -o num_beams=2."),
        ((*RUN, "--num-beams=3"), "--num-beams. Write -o num_beams=3."),
        ((*RUN, "--temperature"), "--temperature. Write -o temperature=…."),
        ((*RUN, "--batchsize", "2"), "--batchsize (Possible options: --batch-size)\n"),
        ((*RUN, "--zebra"), "--zebra\n"),
        (("run", "nowhere", "photo.jpg", "--num-beams", "3"), "If the decoder has it, write -o num_beams=3."),
        ((*FIT, "--steps", "3"), "--steps. Write --set training.steps=3."),
        ((*FIT, "--training.stpes=3"), "--training.stpes. Write --set training.steps=3."),
        ((*FIT, "--limit", "4"), "--limit. Write --set limit=4."),
        ((*ABLATE, "--num-beams", "3"), "If the decoder has it, write -o num_beams=3."),
        ((*ABLATE, "--seed", "3"), "--seed (Possible options: --seeds, --set)\n"),
        (("info", "playground", "--jsn"), "--jsn (Possible options: --json)\n"),
    ],
)
def test_an_unknown_option_says_what_to_write(words: tuple[str, ...], says: str) -> None:
    done = c3(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert ("Possible options" in done.stderr) == ("Possible options" in says)
