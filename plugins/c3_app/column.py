"""The part of the page that shows what one pipeline makes of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from c3_app.preview import drawings
from c3_app.trial import Answer, Model

NAMES = {"image": "picture", "video": "video", "audio": "sound", "text": "sentence"}
Updates = dict[Any, Any]  # by the parts of the page


class Column:
    """A pipeline's output, near sentences, remarks, and the space before and after its bridge. Hidden at first."""

    def __init__(self, model: Model, *, titled: bool) -> None:
        self.model = model
        with gr.Column(min_width=260):
            if titled:
                gr.Markdown(f"### {described(model)}", elem_classes="c3-name")
            with gr.Column(visible=False) as self.body:
                self.output: Any
                if model.draws:
                    label = "Drawings, with their cosines"
                    self.output = gr.HTML(label=label, show_label=True, container=True, padding=True)
                else:
                    self.output = gr.Textbox(label="Caption", buttons=["copy"], interactive=False)
                self.nearest = gr.Textbox(label="Nearest", interactive=False, visible=False)
                self.remarks = gr.Textbox(label="Remarks", interactive=False, visible=False)
                with gr.Row():
                    self.views = [picture(f"{when} the bridge", show_label=False) for when in ("Before", "After")]
        self.parts = [self.body, self.output, self.nearest, self.remarks, *self.views]

    def shown(self, answer: Answer | str, seeds: Sequence[int]) -> Updates:
        """The updates that show an answer, or why there is none."""
        if isinstance(answer, str):
            hidden = dict.fromkeys([self.output, self.nearest, *self.views], gr.update(visible=False))
            return hidden | {self.body: gr.update(visible=True), self.remarks: gr.update(value=answer, visible=True)}
        lines = "\n".join(f"{cosine:.2f}  {sentence}" for sentence, cosine in answer.nearest)
        label = f"Nearest of {answer.nearest_of}, with their cosines"
        pictures = [view.picture() for view in answer.views] if answer.views else [None, None]
        return {
            self.body: gr.update(visible=True),
            self.output: self._output(answer, seeds),
            self.nearest: gr.update(value=lines, label=label, visible=bool(lines), lines=len(answer.nearest) or 1),
            self.remarks: gr.update(value="\n".join(answer.remarks), visible=bool(answer.remarks)),
            **{
                part: gr.update(value=view, visible=view is not None)
                for part, view in zip(self.views, pictures, strict=True)
            },
        }

    def _output(self, answer: Answer, seeds: Sequence[int]) -> Any:
        if self.model.draws:
            told = ["" if cosine is None else f" · {cosine:.2f}" for cosine in answer.cosines]
            captions = [f"seed {seed}{cosine}" for seed, cosine in zip(seeds, told, strict=True)]
            return gr.update(value=drawings(answer.outputs, captions), visible=True)
        (caption,), (cosine,) = answer.outputs, answer.cosines
        label = "Caption" if cosine is None else f"Caption · cosine {cosine:.2f}"
        return gr.update(value=str(caption) or "(an empty caption)", label=label, visible=True)


def described(model: Model) -> str:
    """The name of a pipeline, and what it does, as Markdown."""
    made = "Drawings" if model.draws else "Captions"
    return f"{model.name}\n{made} of {joined([f'{NAMES.get(one, one)}s' for one in model.inputs], ' and ')}."


def joined(names: Sequence[str], last: str, others: str = ", ") -> str:
    """Names in a row.

    >>> joined(["pictures", "videos", "sounds"], " and "), joined(["sounds"], " and ")
    ('pictures, videos and sounds', 'sounds')
    """
    return last.join(filter(None, [others.join(names[:-1]), names[-1]]))


def picture(label: str, *, show_label: bool = True, height: int | None = None) -> gr.Image:
    """A part that shows a picture. Hidden at first."""
    options = {"show_label": show_label, "height": height, "format": "png", "min_width": 220}
    return gr.Image(label=label, visible=False, interactive=False, buttons=["fullscreen"], **options)
