"""Push folders to the Hugging Face hub and download them: whole, checked by their manifest, and without pickles."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from c3core.errors import C3Error, CorruptFile, NotReachable, WrongCall, library_errors, lines_of, warn
from c3core.io.layout import PIPELINE, SPACE
from c3core.io.model_card import CARD, UNKNOWN_LICENSE, card_license, is_own_card

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PATIENCE = 4  # seconds to wait for the hub
SUFFIXES = (".safetensors", ".json", ".parquet", ".txt", ".jinja")  # of files that hold no code
LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"

_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


class Kind(NamedTuple):
    """A kind of folder that goes to the hub, known by its manifest.

    `files` are the names that the manifest of a folder lists. `check` raises `CorruptFile` if one of them is missing or
    changed. `card` is the text of the folder's model card under a name.
    """

    what: str
    manifest: str
    files: Callable[[Path], Iterable[str]]
    check: Callable[[Path], None]
    card: Callable[[Path, str], str]

    def listed(self, folder: Path) -> list[str]:
        """The files of the folder. Raises `CorruptFile` for one that could hold code, or lies elsewhere."""
        names = [*self.files(folder)]
        for name in names:
            path = PurePosixPath(name)
            if path.suffix not in SUFFIXES or path.is_absolute() or ".." in path.parts:
                kinds = "safetensors, JSON, Parquet and text"
                raise CorruptFile(f"this {self.what} lists {name}. Only {kinds} are pushed to the hub or downloaded.")
        return names


def is_hub_name(name: str, taken: Iterable[str] = ()) -> bool:
    """Whether a name may be one on the hub: `owner/name` or `owner/name@revision`.

    If the owner is a folder here or one of `taken`, the name is a mistyped path or a mistyped name.

    >>> is_hub_name("me/birds@v1"), is_hub_name("birds"), is_hub_name("./birds")
    (True, False, False)
    """
    owner = name.split("/")[0]
    return bool(_NAME.fullmatch(name)) and owner not in {*taken, ".", ".."} and not os.path.isdir(owner)


def download(kinds: Sequence[Kind], name: str, revision: str | None = None) -> Path:
    """Return the folder, in the hub's cache, of a repository that holds one of these kinds.

    Only files that the manifest lists and the card are downloaded, and only those that are not in the cache. Without
    a network the cache serves alone. Raises `WrongCall` for a name or a revision that is not there, `NotReachable` if
    the hub does not answer, and `CorruptFile` for files that are not those of the manifest: these are not kept.
    """
    from huggingface_hub import HfApi, scan_cache_dir, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    repo, revision = _split(name, revision)
    api = HfApi(library_name="c3core")

    def fetch(file: str, at: str | None) -> Path | None:
        try:
            return Path(api.hf_hub_download(repo, file, revision=at, etag_timeout=PATIENCE))
        except LocalEntryNotFoundError:  # the connection is lost
            raise
        except EntryNotFoundError:
            return None

    with _hub_errors(repo, revision, f"there is no folder {repo}, and "):
        cached = [(kind, try_to_load_from_cache(repo, kind.manifest, revision=revision)) for kind in kinds]
        found = [(kind, Path(path)) for kind, path in cached if isinstance(path, str)]
        try:
            _ask(api, repo, revision)
            found = [(kind, path) for kind in kinds if (path := fetch(kind.manifest, revision))]
        except Exception as error:
            answers = isinstance(error, HfHubHTTPError) and error.response.status_code < 500
            if answers or not found:
                raise
        if not found:
            wanted = " or ".join(kind.manifest for kind in kinds)
            raise WrongCall(f"{repo} on the hub is no {kinds[0].what} of c3core: it has no {wanted}. Check the name.")
        kind, manifest = found[0]
        folder, commit = manifest.parent, manifest.parent.name
        missing = [file for file in kind.listed(folder) if not (folder / file).is_file()]
        if missing:
            _ask(api, repo, commit)
            missing.append(CARD)
        for file in missing:
            if fetch(file, commit) is None and file != CARD:
                raise CorruptFile(f"{repo} on the hub lacks {file}. Ask its owner to push it again.")
    try:
        kind.check(folder)
    except CorruptFile as error:
        scan_cache_dir(folder.parents[2]).delete_revisions(commit).execute()
        advice = f"It is a download of {repo} and is not kept. Load it again, or ask its owner to push it again."
        raise CorruptFile(f"{error}\n{advice}") from None
    return folder


def upload(
    kind: Kind, folder: Path, name: str, *, private: bool, revision: str | None, message: str | None, token: str | None
) -> str:
    """Push a folder to a repository, which is made if there is none, and return its address.

    One commit replaces what c3core pushed there before, so that nobody sees half of it. Other files there stay, and so
    does a card that a user wrote. Raises `CorruptFile` if the folder is not as its manifest says, `WrongCall` for a
    name that cannot be, `NotReachable` if the hub does not answer, and `C3Error` if it refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    repo, revision = _split(name, revision)
    kind.check(folder)
    files = [kind.manifest, *kind.listed(folder)]
    _warn_of_home(folder, files)
    api = HfApi(token=token, library_name="c3core")
    with _hub_errors(repo, revision):
        try:
            _ask(api, repo)
        except RepositoryNotFoundError:  # it is new
            api.create_repo(repo, private=private or None, exist_ok=True)
        if revision:
            api.create_branch(repo, branch=revision, exist_ok=True)
        there = api.model_info(repo, revision=revision)
        if private and not there.private:
            raise WrongCall(f"{repo} on the hub is public. Make it private on its page, or leave out `private`.")
        names = {file.rfilename for file in there.siblings or []}
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationDelete(stale) for stale in sorted(_replaced(names) - {*files})
        ]
        operations += [CommitOperationAdd(file, folder / file) for file in files]
        if is_own_card(folder / CARD):
            operations.append(CommitOperationAdd(CARD, folder / CARD))
        elif CARD not in names or not is_own_card(Path(api.hf_hub_download(repo, CARD, revision=there.sha))):
            operations.append(CommitOperationAdd(CARD, kind.card(folder, repo).encode()))
        text = message or f"Push a {kind.what} of c3core"
        api.create_commit(repo, operations, commit_message=text, revision=revision, parent_commit=there.sha)
    parts = {file.split("/")[0] for file in [*files, CARD]}
    if left := sorted(path.name for path in folder.iterdir() if path.name not in parts and path.name[0] != "."):
        warn(f"{folder}: not pushed, because no {kind.what} needs it: {', '.join(left)}")
    return f"{api.endpoint}/{repo}" + (f"/tree/{revision}" if revision else "")


def _warn_of_home(folder: Path, files: Iterable[str]) -> None:
    """Warn of settings that name files of this machine."""
    home = f"{Path.home()}{os.sep}"
    named = [file for file in files if file.endswith(".json") and home in (folder / file).read_text(errors="replace")]
    if named:
        warn(f"{', '.join(named)}: names files in {home}, which are not pushed. Name parts as the hub does instead.")


def _replaced(names: Iterable[str]) -> set[str]:
    """The files of a repository that a push replaces: those of a pipeline or a space, if it holds one."""
    held = {*names}
    if not held & {PIPELINE, SPACE}:
        return set()
    weights = {name for name in held if name.startswith(("decoder/", "space/"))}
    weights |= {name for name in held if "/" not in name and name.endswith(".safetensors")}
    return weights | (held & {PIPELINE, SPACE})


def _split(name: str, revision: str | None) -> tuple[str, str | None]:
    """The repository and the revision of `owner/name@revision`."""
    if not _NAME.fullmatch(name):
        raise WrongCall(f"{name!r} is no name on the hub. Write owner/name, or owner/name@revision.")
    repo, _, named = name.partition("@")
    if named and revision not in (None, named):
        raise WrongCall(f"{name} names a revision already. Leave out revision={revision!r}.")
    return repo, named or revision


def _ask(api: HfApi, repo: str, revision: str | None = None) -> None:
    """Ask for a repository, and raise what the hub or the network answers within `PATIENCE`."""
    answers: SimpleQueue[Exception | None] = SimpleQueue()

    def ask() -> None:
        try:
            api.model_info(repo, revision=revision, timeout=PATIENCE)
        except Exception as error:  # each release has its own kinds
            answers.put(error)
        else:
            answers.put(None)

    Thread(target=ask, daemon=True).start()  # the look-up of a host's address knows no timeout
    try:
        error = answers.get(timeout=PATIENCE + 0.5)
    except Empty:
        error = TimeoutError("it does not answer")
    if error is not None:
        raise error


@contextmanager
def _hub_errors(repo: str, revision: str | None, before: str = "") -> Iterator[None]:
    """Turn what huggingface_hub raises into one clear error, with some words before it."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except C3Error:
        raise
    except HFValidationError as error:
        raise WrongCall(f"{repo!r} is no name on the hub: {lines_of(error)[0].rstrip('.')}.") from error
    except RevisionNotFoundError as error:
        raise WrongCall(f"{repo} on the hub has no branch, tag or commit {revision!r}. Check the revision.") from error
    except RepositoryNotFoundError as error:
        raise WrongCall(
            f"{before}the hub has no {repo}, or does not show it to you. Check the name, or {LOG_IN}."
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise C3Error(f"the hub does not let you use {repo} ({status}). To be let, {LOG_IN}.") from error
        reason = getattr(error, "server_message", None) or lines_of(error)[0]
        raise C3Error(f"the hub answers {status} for {repo}: {str(reason)[:300].rstrip('.')}. Try again.") from error
    except Exception as error:  # each release has its own kinds of network errors
        if CARD in str(error) or isinstance(error, UnicodeError):
            reason = " ".join(lines_of(error))[:300].rstrip(".")
            raise WrongCall(f"the hub refuses the card of {repo}: {reason}. Correct {CARD}.") from error
        if isinstance(error, OSError) and error.errno and error.filename:  # of a disk
            raise C3Error(f"cannot write {error.filename}: {error.strerror}. Free some room.") from error
        reason = lines_of(error.__cause__ or error)[0][:300].rstrip(".")
        why = f"{before}the hub cannot be reached for {repo}, or the connection is lost: {reason}"
        raise NotReachable(f"{why}. Try again: whole downloads are kept, and a failed push changes nothing.") from error


def check_hub(name: str, *files: str, advice: str) -> None:
    """Raise `NotReachable` at once if a model is not on this machine, and the hub cannot be reached.

    The libraries that download it would try for up to a minute. The model is on this machine if the hub's cache has one
    of its `files`. `advice` says how to do without the hub. A hub that answers is fine, whatever it says of the model.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    try:
        if not any(isinstance(try_to_load_from_cache(name, file), str) for file in files):
            _ask(HfApi(), name)
    except (HfHubHTTPError, ValueError):  # it answers, or the name cannot be one: loading says what is wrong
        return
    except Exception as error:  # each release has its own kinds
        raise NotReachable(f"{name} is not on this machine, and the hub cannot be reached. {advice}") from error


def model_license(name: str | Path) -> str:
    """The license that the card of a model names, or `UNKNOWN_LICENSE` if it has no card or the card names none.

    `name` is a folder, or a name on the Hugging Face hub. The hub is asked only for a model that is not in its cache.
    Raises `NotReachable` if the hub has no such model or does not answer.
    """
    if Path(name).expanduser().is_dir():
        return card_license(Path(name).expanduser() / CARD)
    from huggingface_hub import HfApi, try_to_load_from_cache

    with library_errors(
        f"there is no folder {str(name)!r}, and the hub has no such model or cannot be reached",
        "Check the name and the network, or give a folder.",
        NotReachable,
    ):
        if isinstance(try_to_load_from_cache(str(name), "config.json"), str):
            card = try_to_load_from_cache(str(name), CARD)
            return card_license(Path(card)) if isinstance(card, str) else UNKNOWN_LICENSE
        data = HfApi().model_info(str(name), timeout=PATIENCE).card_data
    return str(getattr(data, "license", None) or UNKNOWN_LICENSE)
