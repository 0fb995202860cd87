"""A space of two modalities. Each `c3` command imports this module: import no model library here."""

from c3core import hookimpl


@hookimpl
def c3_spaces(register):
    register("hello", "hello.space:load", modalities=("hello", "text"), summary="words by their letters")
