"""`c3 paper`: the paper's tables and figures, with the commands that make ours."""

from __future__ import annotations

from typing import Annotated

import typer


def paper(
    name: Annotated[str | None, typer.Argument(help="A table or figure, such as table2 or fig4.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the paper's tables and figures, or print one. Each has the command that makes ours."""
    from c3_paper.published import items
    from c3core.errors import WrongCall, near
    from c3core.runtime import print_json, print_table

    known = items()
    if name is not None and name not in known:
        raise WrongCall(f"the paper has no {name!r}: {near(name, known)}")
    chosen = [*known.values()] if name is None else [known[name]]
    if json:
        print_json(chosen)
        return
    for item in chosen:
        print(f"{item['id']}: {item['title']}")
        if name is not None and item["rows"]:
            hidden = ("bridge",)
            columns = dict.fromkeys(column for row in item["rows"] for column in row if column not in hidden)
            print_table(item["rows"], list(columns))
        print(f"  {indented(item['command'])}\n")
    if name is None:
        print("Run the commands in the folder examples/paper, whose README says where the data come from.")


def indented(command: str) -> str:
    return command.replace("\n", "\n  ")
