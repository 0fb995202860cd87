"""Fill in what pages show of the code: `<!-- generated: KIND NAME -->` becomes Markdown when `make docs` builds them.

bridges                 the bridges with their formulas
code PATH               a file of the repository, or PATH:NAME for one function of it, as a block
commands                every command of c3 with its options
decoders                settings and generation options of every decoder
fields MODULE:CLASS     the fields of a pydantic model, as a table
file PATH               a Markdown file of the repository; its links lead to the pages
packages                the packages of c3core with the first line of their docstrings
plugins                 what the plugins of c3core register
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^<!-- generated: (\w+) ?(\S*) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace the marks of a page. mkdocs calls this."""
    return MARK.sub(lambda mark: KINDS[mark[1]](mark[2], page.file.src_uri), markdown)


def bridges(_: str, page: str) -> str:
    """The presets of the C3 bridge."""
    from c3core.bridges import list_presets

    return table(
        ("name", "condition", "from"), ((f"`{row['name']}`", row["formula"], row["paper"]) for row in list_presets())
    )


def code(name: str, page: str) -> str:
    """A file as a block of code with its name as the title."""
    path, _, function = name.partition(":")
    text = (ROOT / path).read_text(encoding="utf-8")
    title = path.removeprefix("examples/c3-colors/")
    if function and function != first_function(text):
        text, title = source_of(function, text), f"Add to {title}"
    elif function:
        text = text.partition("\n\n\n@")[0] + "\n\n\n" + source_of(function, text)
    language = {".py": "python", ".yaml": "yaml", ".toml": "toml"}[Path(path).suffix]
    return f'```{language} title="{title}"\n{text.strip()}\n```'


def commands(_: str, page: str) -> str:
    """A section for each command."""
    import typer
    from typer.cli import get_docs_for_click

    from c3core.cli.program import with_plugin_commands

    group: Any = typer.main.get_command(with_plugin_commands([]))
    parts = []
    for name, command in sorted(group.commands.items()):
        with typer.Context(command, info_name=f"c3 {name}") as context:
            text = get_docs_for_click(obj=command, ctx=context, name=f"c3 {name}", title=f"c3 {name}")
        text = re.sub(r"^\* `--help`.*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"<(?:list\[str\]|str)>", "<text>", text).replace("<Path>", "<path>").replace(" range>", ">")
        parts.append(re.sub(r"^# `?(.*?)`?$", r"## \1", text, count=1, flags=re.MULTILINE))
    return "\n".join(parts)


def decoders(_: str, page: str) -> str:
    """A section for each decoder."""
    from c3core.registry.discovery import registered

    parts = []
    for name, entry in sorted(registered("decoder").items()):
        decoder: Any = entry.load()
        parts += [f"## {name}", f"{entry.summary[0].upper()}{entry.summary[1:]}.", f"### Settings of {name}"]
        parts += [f"In a recipe (`decoder: {{name: {name}, …}}`) and in `load_decoder`."]
        parts += [field_table(decoder.settings_class), f"### Generation options of {name}"]
        parts += ["`c3 run … -o name=value`, and arguments of a pipeline.", field_table(decoder.options_class)]
    return "\n\n".join(parts)


def fields(name: str, page: str) -> str:
    """The fields of a model, named as MODULE:CLASS."""
    module, _, attribute = name.partition(":")
    return field_table(getattr(import_module(module), attribute))


def file(path: str, page: str) -> str:
    """A file of the repository without its title. Links to pages stay links, others become text."""

    def follow(link: re.Match[str]) -> str:
        if "://" in link[2]:
            return link[0]
        if not link[2].startswith("docs/"):
            return link[1]
        return f"[{link[1]}]({posixpath.relpath(link[2].removeprefix('docs/'), posixpath.dirname(page))})"

    text = (ROOT / path).read_text(encoding="utf-8")
    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", follow, text.partition("\n")[2])


def packages(_: str, page: str) -> str:
    """What each package is for."""
    rows = []
    for path in sorted((ROOT / "c3core").glob("*/__init__.py")):
        purpose = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        rows.append((f"`{path.parent.name}`", purpose))
    return table(("package", "purpose"), rows)


def plugins(_: str, page: str) -> str:
    """A table for each kind of thing that the plugins of c3core register."""
    from c3core.registry.discovery import entries

    parts = []
    for kind in ("space", "tower", "decoder", "pipeline", "table", "metric", "command"):
        rows = (
            (f"`{row.name}`", ", ".join(row.modalities), f"`{row.extra}`" if row.extra else "", row.summary)
            for row in entries()
            if row.package == "c3core" and row.kind == kind
        )
        parts += [f"## {kind.capitalize()}s", table(("name", "modalities", "extra", ""), rows)]
    return "\n\n".join(parts)


KINDS = {
    "bridges": bridges,
    "code": code,
    "commands": commands,
    "decoders": decoders,
    "fields": fields,
    "file": file,
    "packages": packages,
    "plugins": plugins,
}


def first_function(text: str) -> str:
    """The name of the first function of a module."""
    return next(node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))


def source_of(function: str, text: str) -> str:
    """A function of a module with its decorators."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return "\n".join(text.splitlines()[node.decorator_list[0].lineno - 1 : node.end_lineno])
    raise KeyError(function)


# ---- tables


def field_table(model: type[BaseModel]) -> str:
    """The fields of a pydantic model: name, type, default, description."""
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{shown(field.get_default(call_default_factory=True))}`"
        rows.append((f"`{name}`", type_of(field.annotation), default, field.description or ""))
    return table(("field", "type", "default", ""), rows)


def shown(value: Any) -> str:
    """A default as a recipe writes it.

    >>> shown(None), shown(True), shown((1, 2)), shown("")
    ('null', 'true', '[1, 2]', '""')
    """
    if isinstance(value, BaseModel):
        set_fields = value.model_dump(exclude_unset=True)
        return f"{{{', '.join(f'{name}: {shown(one)}' for name, one in set_fields.items())}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or '""'


def type_of(annotation: Any) -> str:
    """A type in words.

    >>> type_of(int | None), type_of(Literal["a", "b"]), type_of(dict[str, str | list[str]])
    ('int or null', 'a, b', 'name: text or list of text')
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_of(parts[0])
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(type_of, parts)))
    if origin is dict:
        return f"name: {type_of(parts[1])}"
    if origin in (list, tuple):
        return f"list of {type_of(parts[0])}"
    simple = {str: "text", bool: "true, false", NoneType: "null", Any: "any"}
    fields = {"Named": "name and options", "TrainingOptions": "training", "TowerSpec": "tower and options"}
    name = getattr(annotation, "__name__", "")
    return simple.get(annotation) or fields.get(name) or name.removesuffix("Recipe").removesuffix("Spec").lower()


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    cells = [
        head,
        ["---"] * len(head),
        *([cell.replace("|", r"\|").replace("\n", " ") for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
