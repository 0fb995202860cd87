from c3core import hookimpl


@hookimpl
def c3_spaces(register):
    register("colors", "c3_colors.space:load", modalities=("color", "text"), summary="colors and their names")


@hookimpl
def c3_towers(register):
    register(
        "spectrum", "c3_colors.spectrum:SpectrumTower", modalities=("spectrum",), summary="recordings of a spectrometer"
    )


@hookimpl
def c3_decoders(register):
    register("swatch", "c3_colors.decoder:Swatch", modalities=("color",), summary="colors as swatches")


@hookimpl
def c3_tables(register):
    register("colors", "c3_colors.pairs:table", modalities=("color", "text"), summary="colors and the nearest names")


@hookimpl
def c3_bridges(register):
    register("standard", "c3_colors.bridge:Standard", summary="(e − ē)/s + ε, ε ~ N(0, σ² I), σ = 0.1 (noise_std)")
