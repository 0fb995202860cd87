"""`c3 theory`: measure what the paper's theory claims, and draw it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from c3core.cli import Json, Quiet, Seed

OF_A_SPACE = "space untrained table root"
STUDIES = {  # name: (what it shows, the options that it takes)
    "collapse": ("Figures 3 and 12: effective dimension of an untrained and a trained space", OF_A_SPACE),
    "gap": ("Figure 4: the modality gap before and after contrastive training", "steps learning_rate"),
    "gradient": ("Lemma 1 against automatic differentiation", ""),
    "margin": ("Lemma 2 and Figure 5: the stable region by temperature", ""),
    "depth": ("Figure 13: effective dimension by depth of a network", ""),
    "cone": ("Figure 14: cosines within a modality of an untrained and a trained space", OF_A_SPACE),
}

Name = Annotated[str | None, typer.Argument(metavar="NAME", help=f"{', '.join(STUDIES)}. Without a name, list them.")]
Out = Annotated[Path | None, typer.Option(metavar="<folder>", help="Draw the picture NAME.png in this folder.")]
Steps = Annotated[int | None, typer.Option(help="gap: number of training steps (1,000; in the paper 200,000).")]
LearningRate = Annotated[float | None, typer.Option(help="gap: learning rate (0.1, as in the paper).")]
SpaceName = Annotated[str | None, typer.Option(help="collapse, cone: a trained space (playground).")]
Untrained = Annotated[
    str | None,
    typer.Option(help="collapse, cone: the same space without training. Those of playground and clip need no name."),
]
TableName = Annotated[
    str | None, typer.Option(help="collapse, cone: a table of the items to embed (playground:image/test/1000).")
]
Root = Annotated[
    Path | None, typer.Option(help="collapse, cone: folder where the paths in the table start; by default the table's.")
]


def theory(
    name: Name = None,
    out: Out = None,
    seed: Seed = 0,
    steps: Steps = None,
    learning_rate: LearningRate = None,
    space: SpaceName = None,
    untrained: Untrained = None,
    table: TableName = None,
    root: Root = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Measure what the paper's theory claims: its figures beside ours, and a picture."""
    from c3core.runtime import print_json, print_table

    if name is None:
        listed = [{"name": one, "shows": shows} for one, (shows, _) in STUDIES.items()]
        print_json(listed) if json else print_table(listed, ["name", "shows"])
        return
    given: dict[str, Any] = {"steps": steps, "learning_rate": learning_rate}
    given |= {"space": space, "untrained": untrained, "table": table, "root": root}
    options = _checked(name, {option: value for option, value in given.items() if value is not None})
    found, picture = _run(name, out, seed=seed, quiet=quiet or json, **options)
    if json:
        print_json({"name": name, **found.to_dict(), "picture": None if picture is None else str(picture)})
        return
    print(found.title)
    print_table([row.shown() for row in found.rows], ["figure", "paper", "here"])
    for note in found.notes:
        print(note)
    if picture is not None:
        print(f"drew {picture}")


def _checked(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of a study. Raises `WrongCall` for an unknown study, or an option that it does not take."""
    from c3core.errors import WrongCall, near

    if name not in STUDIES:
        raise WrongCall(f"no study is called {name!r}: {near(name, STUDIES)}")
    for option in options:
        if option not in STUDIES[name][1].split():
            raise WrongCall(f"the study {name} takes no --{option.replace('_', '-')}. Leave it out.")
    return options


def _run(name: str, out: Path | None, **options: Any) -> tuple[Any, Path | None]:
    """The result of a study, and the path of its picture if `out` is given."""
    from importlib import import_module

    from c3core.io import make_folder, path_of
    from c3core.statistics import new_figure, save_figure

    if out is not None:  # a folder or a library that is missing should be known before the work
        out = make_folder(path_of(out))
        new_figure(1, 1, width=1, height=1)
    found = import_module(f"c3_paper.theory.{name}").study(**options)
    return found, None if out is None else save_figure(found.draw(), out / f"{name}.png")
