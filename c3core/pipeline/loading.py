"""Where pipelines come from and go to: a folder, the name that a plugin registers, and the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from c3core.errors import NotReachable, WrongCall, did_you_mean, near, warn
from c3core.io.hub import Kind, download, is_hub_name, upload
from c3core.io.layout import PIPELINE, SPACE, path_of
from c3core.pipeline.card import card
from c3core.pipeline.manifest import read_manifest, verify
from c3core.registry.discovery import entry, registered
from c3core.spaces.serialization import SPACES

PIPELINES = Kind(
    "pipeline",
    PIPELINE,
    files=lambda folder: read_manifest(folder).files,
    check=lambda folder: verify(folder, read_manifest(folder)),
    card=lambda folder, name: card(read_manifest(folder), name),
)


def pipeline_folder(
    name: str | Path, *, revision: str | None = None, kinds: Sequence[Kind] = (PIPELINES,), also: Iterable[str] = ()
) -> Path:
    """Return the folder of a pipeline. `also` lists more names that the caller knows, for the hint of an error.

    A name `owner/name` or `owner/name@revision` that is neither a folder nor registered is downloaded from the hub, if
    it is one of `kinds` there. Raises `WrongCall` for an unknown name, and as `download` does.
    """
    folder, shipped, known = path_of(name), registered("pipeline"), str(name)
    here = folder.exists() or known in shipped
    if here and revision is not None:
        raise WrongCall(f"{name} is not on the hub, so that it has no revision {revision!r}. Leave out `revision`.")
    if folder.exists() and known in shipped:
        warn(
            f"{name} is the folder here, not the pipeline that a plugin ships. For the folder, write ./{name}; for the"
            " plugin's, work in another folder."
        )
    if here:
        return folder if folder.exists() else Path(entry("pipeline", known).load()())
    similar = did_you_mean(known, [*shipped, *also])
    if is_hub_name(known, (one.split("/")[0] for one in shipped)):
        try:
            return download(kinds, known, revision)
        except (WrongCall, NotReachable) as error:  # it may be a mistyped name of a plugin
            if not similar:
                raise
            raise type(error)(f"{error} Or {similar}") from None
    hint = f"{similar or near(known, shipped)} `c3 fit` writes one; owner/name is one on the hub."
    raise WrongCall(f"no pipeline at {name}: there is no such folder, and no pipeline of that name: {hint}")


def push_to_hub(
    folder: str | Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    commit_message: str | None = None,
    token: str | None = None,
) -> str:
    """Push the folder of a pipeline, or of a space of `c3 connect`, to the Hugging Face hub, and return its address.

    `repo` is `owner/name`, or `owner/name@branch`, which `revision` can name too; either is made if it is not there.
    One commit replaces what was pushed before. Only the files of the manifest and the model card are pushed. `token` is
    by default that of `hf auth login`. Raises `CorruptFile` for a folder that is not as its manifest says, `WrongCall`
    for a folder or a name that cannot be, `NotReachable` if the hub does not answer, and `C3Error` if it refuses.
    """
    path = path_of(folder)
    kind = next((kind for kind in (PIPELINES, SPACES) if (path / kind.manifest).is_file()), None)
    if kind is None:
        raise WrongCall(f"{folder} is neither a pipeline nor a space: it has no {PIPELINE} or {SPACE}.")
    return upload(kind, path, repo, private=private, revision=revision, message=commit_message, token=token)
