"""What the cells of a notebook show, in a real kernel."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="a notebook needs nbformat")
nbclient = pytest.importorskip("nbclient", reason="a notebook needs nbclient")
pytest.importorskip("ipykernel", reason="a notebook needs ipykernel")

Output = dict[str, Any]


def run(*cells: str) -> list[list[Output]]:
    """The outputs of each cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


@pytest.fixture(scope="module")
def outputs() -> list[list[Output]]:
    return run(
        """
        import time
        from c3core.runtime import progress_bar
        with progress_bar("embedding <b>", total=5) as bar:
            for _ in range(5):
                bar.advance(loss=0.5)
                time.sleep(0.3)
        with progress_bar("reading") as bar:
            bar.advance(7)
        """,
        """
        import c3core
        painter = c3core.load_pipeline("playground/painter-stylegan")
        painter
        """,
        "painter('a large red ring')",
        """
        from c3_playground.world import World
        captioner = c3core.Pipeline(
            painter.space,
            c3core.load_bridge("c2_2"),
            c3core.load_decoder("gpt2", space=painter.space, model="fresh", layers=1, width=16, heads=2, vocabulary=300),
        )
        items = {"text": World().sentences(40), "image": [item.data for item in World().items("image", "train", 40)]}
        captioner.fit(items, training={"steps": 3, "batch_size": 8})
        """,
    )


def test_a_bar_is_one_output_that_is_updated_in_place(outputs: list[list[Output]]) -> None:
    assert [output["output_type"] for output in outputs[0]] == ["display_data", "display_data"]
    first, other = (output["data"] for output in outputs[0])
    assert first["text/plain"].startswith("embedding <b>: 5/5 (100 %), ")
    assert "loss=0.5, took" in first["text/plain"]
    assert '<progress value="5" max="5"></progress> <code>embedding &lt;b&gt;: 5/5' in first["text/html"]
    assert other["text/plain"].startswith("reading: 7, ")
    assert "<progress ></progress>" in other["text/html"]


def test_a_pipeline_and_what_it_draws_are_shown_as_they_are(outputs: list[list[Output]]) -> None:
    assert outputs[1][-1]["data"]["text/plain"].startswith("Pipeline(playground → ")
    assert "image/png" in outputs[2][-1]["data"]


def test_a_fit_shows_its_bars_and_the_pipeline(outputs: list[list[Output]]) -> None:
    shown = outputs[3]
    assert "takes text, image" in shown[-1]["data"]["text/plain"]
    bars = [output["data"]["text/plain"] for output in shown if output["output_type"] == "display_data"]
    assert [bar.partition(":")[0] for bar in bars[:2]] == ["embedding text", "embedding image"]
    assert bars[2].startswith("training gpt2")
    assert ": 3/3 (100 %), " in bars[2]
    said = "".join(output["text"] for output in shown if output["output_type"] == "stream")
    assert "%)" not in said, "a bar was printed as lines"
