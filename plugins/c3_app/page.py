"""The page: an input, examples of inputs, and what each pipeline makes of it, in columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from c3_app.column import NAMES, Column, Updates, described, joined, picture
from c3_app.preview import sample_file, shown_picture
from c3_app.trial import Trial
from c3core import C3Error
from c3core.runtime import is_out_of_memory

EXAMPLES = 8
DRAWINGS, MOST_DRAWINGS = 4, 12
CSS = """
.c3-name {overflow-wrap: anywhere}
.c3-drawings {display: grid; grid-template-columns: repeat(auto-fill, minmax(min(120px, 45%), 1fr)); gap: 8px}
.c3-drawings figure {margin: 0} .c3-drawings img {width: 100%} .c3-drawings .c3-small {image-rendering: pixelated}
.c3-drawings figcaption {font-size: .85em}
textarea:disabled {field-sizing: content; height: auto !important}
"""
SCROLL = "() => document.querySelector('#input').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
ABOUT = """
**Cosine.** The output is embedded in the same space, and its condition is compared with that of the input: 1 is the
same direction. `best_of` and reranking choose by it.

**Nearest.** The sentences whose conditions are nearest to that of the input, by the same cosine.

**Where the input lies.** The clouds are known items of the input's modality and of the output's. To the right runs the
gap, from the mean of one cloud to that of the other; upwards the main direction across it. If both are of one modality,
the axes are the two main directions of its cloud. The bridge makes the conditions of the second view from the
embeddings of the first; both have the same axes. How far the means are apart is computed in all dimensions, without
what only the small number of points makes of it.
"""


def theme() -> Any:
    """The default theme, with fonts of the reader's machine: none is loaded."""
    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def build_page(trial: Trial) -> gr.Blocks:
    """The page of a trial, ready to be launched. Files that are shown go into the folder GRADIO_TEMP_DIR."""
    title, wide = ", ".join(model.name for model in trial.models), len(trial.models) > 2
    page = gr.Blocks(title=title, analytics_enabled=False, delete_cache=(600, 3600), fill_width=wide)
    with page:
        _Page(trial)
    return page.queue(max_size=64)


class _Page:
    def __init__(self, trial: Trial) -> None:
        self.trial, alone = trial, len(trial.models) == 1
        self.of_files = [modality for modality in trial.inputs if modality not in trial.written]
        self.samples = {modality: trial.samples(modality, EXAMPLES) for modality in trial.inputs}
        if alone:
            gr.Markdown(f"## {described(trial.models[0])}", elem_classes="c3-name")
        with gr.Row():
            with gr.Column(min_width=300, scale=2):
                self._build_inputs()
            with gr.Column(min_width=300, scale=3, elem_id="input"):
                self._build_shown_input()
                if alone:
                    self.columns = [Column(trial.models[0], titled=False)]
        if not alone:
            with gr.Row():
                self.columns = [Column(model, titled=True) for model in trial.models]
        with gr.Accordion("What is shown", open=False):
            gr.Markdown(ABOUT)
        licenses = {license for model in trial.models for license in model.pipeline.licenses.values()} - {"own"}
        if licenses:
            gr.Markdown(f"Licenses of the weights: {'; '.join(sorted(licenses))}.")
        self._listen()

    # ---- parts

    def _build_inputs(self) -> None:
        trial = self.trial
        self.file = None
        if self.of_files:
            names = [NAMES.get(modality, modality) for modality in self.of_files]
            label = f"Drop a {joined(names, ' or a ', ', a ')}, or choose one"
            self.file = gr.File(label=label, file_types=self._file_types(), height=150)
        self.words = {
            modality: gr.Textbox(label=f"Write a {NAMES.get(modality, modality)}", submit_btn=True, max_lines=3)
            for modality in trial.inputs
            if modality in trial.written
        }
        with gr.Row(visible=any(model.draws for model in trial.models)):
            self.count = gr.Slider(1, MOST_DRAWINGS, DRAWINGS, step=1, label="Drawings", min_width=140)
            self.seed = gr.Number(0, minimum=0, maximum=2**31, precision=0, label="First seed", min_width=100)
        with_samples = [modality for modality, samples in self.samples.items() if samples]
        self.examples = {}
        if len(with_samples) > 1:
            with gr.Tabs():
                for modality in with_samples:
                    with gr.Tab(f"{NAMES.get(modality, modality)}s".capitalize()):
                        self.examples[modality] = self._build_examples(modality)
        else:
            self.examples = {modality: self._build_examples(modality) for modality in with_samples}

    def _file_types(self) -> list[str] | None:
        """What the browser offers. None: files of any kind."""
        if not {*self.of_files} <= {"image", "video", "audio"}:
            return None
        return [*self.of_files, *((".heic", ".heif", ".avif") if "image" in self.of_files else ())]

    def _build_examples(self, modality: str) -> gr.Dataset:
        samples, name = self.samples[modality], NAMES.get(modality, modality)
        if modality in ("image", "video"):
            shown = [sample_file(sample, modality, os.environ["GRADIO_TEMP_DIR"]) for sample in samples]
        else:
            shown = samples if modality in self.words else [f"{name} {k + 1}" for k in range(len(samples))]
        component = gr.Image(visible=False) if modality in ("image", "video") else gr.Textbox(visible=False)
        label, options = f"Or try a {name}", {"type": "index", "samples_per_page": EXAMPLES}
        return gr.Dataset(label=label, components=[component], samples=[[one] for one in shown], **options)

    def _build_shown_input(self) -> None:
        self.error = gr.Textbox(label="This input cannot be used", visible=False, interactive=False, lines=2)
        self.picture = picture("Input", height=300)
        self.video = gr.Video(label="Input", visible=False, interactive=False, height=300, buttons=[])
        self.sound = gr.Audio(label="Input", visible=False, interactive=False, buttons=[])

    # ---- events

    def _listen(self) -> None:
        asked = [*([] if self.file is None else [self.file]), *self.words.values()]
        parts = [*asked, self.error, self.picture, self.video, self.sound]
        parts += [part for column in self.columns for part in column.parts]
        events: list[Any] = [
            (shown.click, shown, self._of_example(modality)) for modality, shown in self.examples.items()
        ]
        if self.file is not None:
            events.append((self.file.upload, self.file, self._of_file))
        events += [(words.submit, words, self._of_words(modality)) for modality, words in self.words.items()]
        # A pipeline makes one thing at a time, for all who look at the page.
        turn = {"concurrency_id": "pipelines", "concurrency_limit": 1, "show_progress_on": asked}
        for listen, given, source_of in events:
            done = listen(self._answered(source_of), [given, self.count, self.seed], parts, **turn)
            done.then(None, js=SCROLL)

    def _of_file(self, path: str) -> tuple[Any, str]:
        return path, self.trial.modality_of(path)

    def _of_words(self, modality: str) -> Callable[[str], tuple[Any, str]]:
        return lambda words: (words, modality)

    def _of_example(self, modality: str) -> Callable[[int], tuple[Any, str]]:
        return lambda place: (self.samples[modality][place], modality)

    def _answered(self, source_of: Callable[[Any], tuple[Any, str]]) -> Callable[[Any, int, int | None], Updates]:
        """A function for an event: `source_of` gives the source and the modality of what the event gives."""

        def answer(given: Any, count: int, first: int | None) -> Updates:
            start = int(first or 0)
            try:
                return self._tried(*source_of(given), range(start, start + int(count)))
            except C3Error as error:
                return self._refused(str(error), given)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                return self._refused("There is not enough memory for it. Try a smaller one.", given)

        return answer

    def _tried(self, source: Any, modality: str, seeds: Sequence[int]) -> Updates:
        answers = self.trial.answers(source, modality, seeds)
        updates = self._shown_input(source, modality)
        for column, answer in zip(self.columns, answers, strict=True):
            updates |= column.shown(answer, seeds)
        return updates

    def _refused(self, why: str, given: Any) -> Updates:
        if isinstance(given, str) and os.path.isfile(given):  # an uploaded file has a path that says nothing
            why = why.replace(given, os.path.basename(given))
        bodies = {column.body: gr.update(visible=False) for column in self.columns}
        return self._cleared() | bodies | {self.error: gr.update(value=why, visible=True)}

    def _cleared(self) -> Updates:
        """The updates that hide the last input, and make room to drop another file."""
        inputs = [self.error, self.picture, self.video, self.sound]
        hidden = {part: gr.update(value=None, visible=False) for part in inputs}
        return hidden | ({} if self.file is None else {self.file: gr.update(value=None)})

    def _shown_input(self, source: Any, modality: str) -> Updates:
        updates = self._cleared()
        if modality in self.words:
            updates[self.words[modality]] = gr.update(value=source)
        elif modality == "image":
            updates[self.picture] = gr.update(value=shown_picture(source), visible=True)
        elif modality in ("video", "audio"):
            file = sample_file(source, modality, os.environ["GRADIO_TEMP_DIR"])
            part = self.sound if modality == "audio" else self.picture if file.lower().endswith(".gif") else self.video
            updates[part] = gr.update(value=file, visible=True)
        return updates
