"""The playground: a procedural world of pictures, videos and sounds with sentences, and a small space for it.

It ships with the package, so that everything runs in minutes without a download.
"""

from __future__ import annotations

from c3core.registry import Register, hookimpl

MODALITIES = ("text", "image", "video", "audio")


@hookimpl
def c3_spaces(register: Register) -> None:
    register(
        "playground", "c3_playground.space:load", modalities=MODALITIES, summary="a small space of a procedural world"
    )


@hookimpl
def c3_towers(register: Register) -> None:
    for modality in MODALITIES:
        factory = f"c3_playground.towers.{modality}:{modality.capitalize()}Tower"
        register(f"playground-{modality}", factory, modalities=(modality,), summary=f"a small tower for {modality}")


@hookimpl
def c3_tables(register: Register) -> None:
    register(
        "playground",
        "c3_playground.tables:table",
        modalities=MODALITIES,
        summary="pairs of the world: playground:image/train/1000",
    )


@hookimpl
def c3_metrics(register: Register) -> None:
    register(
        "playground-factors",
        "c3_playground.painters.metric:factors",
        modalities=("text", "image"),
        summary="shapes, colors and places of sentences that drawings show",
    )


@hookimpl
def c3_commands(register: Register) -> None:
    summary = "Show the method on the playground, without a download."
    register("demo", "c3_playground.demo.command:demo", summary=summary)


@hookimpl
def c3_pipelines(register: Register) -> None:
    register(
        "playground/captioner",
        "c3_playground.captioner:captioner",
        modalities=MODALITIES,
        requires=("transformers",),
        extra="gpt2",
        summary="captions the world's pictures, videos and sounds",
    )
    for name, needs in (("best", ("diffusers",)), ("diffusion", ("diffusers",)), ("stylegan", ())):
        register(
            "playground/painter" if name == "best" else f"playground/painter-{name}",
            f"c3_playground.painters.shipped:{name}",
            modalities=MODALITIES,
            requires=needs,
            extra="diffusion" if needs else None,
            summary="draws the world's pictures from sentences, pictures, videos or sounds",
        )
