"""Pipelines and spaces to the hub and back, against a small hub of real HTTP on this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from c3_playground.world import World
from c3core import C3Error, CorruptFile, NotReachable, Pipeline, WrongCall, load_pipeline, load_space, push_to_hub
from c3core.experiments.fit import build
from c3core.experiments.recipe import FitRecipe
from c3core.io import sha256
from tests.helpers.command_line import c3, fails
from tests.helpers.hub import Hub, using
from tests.helpers.spaces import DECODER, TRAINING, fitted, pictures, small_pipeline, write_space

WEIGHTS = "decoder/model/model.safetensors"
STAYS = {".gitattributes", "README.md"}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_space(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def pipeline(space: Path) -> Pipeline:
    return fitted(space)


@pytest.fixture(scope="module")
def saved(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("birds")
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A pipeline's folder that a test may change."""
    return shutil.copytree(saved, tmp_path / "birds")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.chdir(tmp_path)
    with Hub().serve() as hub, using(hub, tmp_path / "home"):
        yield hub


def kept(tmp_path: Path) -> dict[str, int]:
    """The files in the hub's cache that are downloads, with their sizes."""
    folder = tmp_path / "home" / "hub"
    return {
        path.name: path.stat().st_size for path in folder.rglob("*") if "snapshots" in path.parts and path.is_file()
    }


def listed(folder: Path) -> set[str]:
    return {*json.loads((folder / "pipeline.json").read_text())["files"], "pipeline.json"}


# ---- there and back


def test_a_pipeline_goes_to_the_hub_in_one_commit_and_comes_back(pipeline: Pipeline, saved: Path, hub: Hub) -> None:
    assert pipeline.push_to_hub("me/birds", commit_message="First birds") == f"{hub.address}/me/birds"
    assert hub.files("me/birds").keys() == listed(saved) | STAYS
    assert hub.repositories["me/birds"].messages == ["initial commit", "First birds"]
    assert b'load_pipeline("me/birds")' in hub.files("me/birds")["README.md"]
    items = pictures(3)
    assert load_pipeline("me/birds")(items) == Pipeline.from_pretrained("me/birds")(items) == pipeline(items)
    assert sorted(hub.downloaded()) == sorted(listed(saved) | {"README.md"})  # each of them once


def test_the_command_line_in_processes_of_its_own(saved: Path, hub: Hub, tmp_path: Path) -> None:
    Image.fromarray(pictures(1)[0]).save(tmp_path / "photo.png")
    own = {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path / "own"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "token-of-me",
    }
    said = []
    for words in (
        ["push", saved, "me/birds", "--private", "--revision", "v1", "--message", "A try"],
        ["run", "me/birds@v1", "photo.png"],
    ):
        command = [sys.executable, "-c", "from c3core.cli import main; main()", *map(str, words)]
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == f"pushed {hub.address}/me/birds/tree/v1. Use it: c3 run me/birds@v1 INPUT…\n"
    assert said[1] == c3("run", saved, "photo.png").stdout
    assert hub.repositories["me/birds"].private
    assert hub.repositories["me/birds"].messages[-1] == "A try"
    assert hub.files("me/birds", "main").keys() == {".gitattributes"}


def test_a_space_goes_to_the_hub_and_serves_wherever_a_space_is_named(space: Path, hub: Hub, tmp_path: Path) -> None:
    assert push_to_hub(space, "me/space@dev") == f"{hub.address}/me/space/tree/dev"
    assert hub.files("me/space", "dev").keys() == {"space.json", "text.safetensors", "image.safetensors"} | STAYS
    assert b'load_space("me/space")' in hub.files("me/space", "dev")["README.md"]
    items = pictures(2)
    expected = load_space(space).encode(items, "image")
    loaded = load_space("me/space", revision="dev")
    assert loaded.spec == "me/space"
    assert torch.equal(loaded.encode(items, "image"), expected)
    recipe = FitRecipe.model_validate(
        {"space": "me/space@dev", "decoder": {"name": "gpt2", **DECODER}, "items": {"text": "x.txt"}}
    )
    assert torch.equal(build(recipe, tmp_path).space.encode(items, "image"), expected)
    assert json.loads(c3("info", "me/space@dev", "--json").stdout)["name"] == "small"
    fails(
        "run",
        "me/space@dev",
        "a.png",
        status=2,
        says="me/space on the hub is no pipeline of c3core: it has no pipeline.json",
    )


def test_what_tells_unfamiliar_items_goes_along(saved: Path, space: Path, hub: Hub, tmp_path: Path) -> None:
    mine = shutil.copytree(space, tmp_path / "mine")
    shutil.copy(saved / "familiar.safetensors", mine)
    manifest = json.loads((mine / "space.json").read_text()) | {"familiar": sha256(saved / "familiar.safetensors")}
    (mine / "space.json").write_text(json.dumps(manifest))
    push_to_hub(mine, "me/space")
    assert load_space("me/space").familiar.keys() == load_space(mine).familiar.keys() != set()
    (mine / "familiar.safetensors").write_bytes(b"x")
    for call in (lambda: load_space(mine), lambda: push_to_hub(mine, "me/space")):
        with pytest.raises(CorruptFile, match="familiar.safetensors is missing, or its sha256 differs"):
            call()


def test_a_pipeline_holds_the_space_that_it_had_from_the_hub(space: Path, hub: Hub, tmp_path: Path) -> None:
    push_to_hub(space, "me/space")
    made = small_pipeline(load_space("me/space"))
    made.fit({"text": World().sentences(40)}, training=TRAINING, quiet=True)
    made.save_pretrained(tmp_path / "made")
    shutil.rmtree(tmp_path / "home")
    assert load_pipeline(tmp_path / "made").space.modalities == ("text", "image")


def test_a_revision_is_a_branch_or_a_commit(pipeline: Pipeline, space: Path, hub: Hub) -> None:
    pipeline.push_to_hub("me/birds")
    first, items = hub.repositories["me/birds"].branches["main"], pictures(3)
    fitted(space, "c1").push_to_hub("me/birds")
    assert load_pipeline("me/birds").bridge.name == "c1"
    for older in (load_pipeline("me/birds", revision=first), load_pipeline(f"me/birds@{first}")):
        assert older(items) == pipeline(items)
    pipeline.push_to_hub("me/birds", revision="wip/two")
    assert load_pipeline("me/birds@wip/two").bridge.name == "c3"
    with pytest.raises(WrongCall, match="me/birds on the hub has no branch, tag or commit 'v9'"):
        load_pipeline("me/birds", revision="v9")
    with pytest.raises(WrongCall, match="names a revision already"):
        load_pipeline("me/birds@v1", revision="v2")
    with pytest.raises(WrongCall, match="has no revision"):
        load_pipeline("playground/captioner", revision="v1")
    with pytest.raises(WrongCall, match="has no revision"):
        load_space("playground", revision="v1")


def test_a_push_replaces_what_was_pushed_and_nothing_else(saved: Path, space: Path, folder: Path, hub: Hub) -> None:
    push_to_hub(saved, "me/birds")
    files = hub.files("me/birds")
    files |= {
        "LICENSE.txt": b"mine",
        "notes/model.safetensors": b"mine",
        "README.md": b"my own words",
        "decoder/old.pkl": b"x",
    }
    push_to_hub(space, "me/birds")  # another kind
    own = {".gitattributes", "LICENSE.txt", "notes/model.safetensors", "README.md"}
    assert hub.files("me/birds").keys() == {"space.json", "text.safetensors", "image.safetensors"} | own
    assert hub.files("me/birds")["README.md"] == b"my own words"
    assert len(hub.repositories["me/birds"].messages) == 3
    hub.files("me/birds").pop("space.json")  # now a repository of something else
    (folder / "README.md").write_text("the folder's own words")
    push_to_hub(folder, "me/birds")
    assert hub.files("me/birds").keys() == listed(folder) | {"text.safetensors", "image.safetensors"} | own
    assert hub.files("me/birds")["README.md"] == b"the folder's own words"


def test_what_a_pipeline_does_not_need_is_not_pushed(folder: Path, hub: Hub) -> None:
    (folder / "run").mkdir()
    (folder / "notes.docx").write_text("x")
    with pytest.warns(UserWarning, match=r"not pushed, because no pipeline needs it: notes.docx, run$"):
        push_to_hub(folder, "me/birds")
    assert hub.files("me/birds").keys() == listed(folder) | STAYS


def test_settings_that_name_files_of_this_machine_are_warned_of(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    settings, manifest = (json.loads((folder / name).read_text()) for name in ("decoder/decoder.json", "pipeline.json"))
    settings["settings"]["model"] = str(tmp_path / "me" / "gpt2")
    (folder / "decoder" / "decoder.json").write_text(json.dumps(settings))
    manifest["files"]["decoder/decoder.json"] = sha256(folder / "decoder" / "decoder.json")
    (folder / "pipeline.json").write_text(json.dumps(manifest))
    with pytest.warns(UserWarning, match=f"decoder/decoder.json: names files in {tmp_path}/me/, which are not pushed"):
        push_to_hub(folder, "me/birds")


def test_without_the_network_a_download_serves_as_it_is(saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(saved, "me/birds")
    expected = load_pipeline("me/birds")(pictures(2))
    hub.lose = "/"
    assert load_pipeline("me/birds")(pictures(2)) == expected
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert load_pipeline("me/birds")(pictures(2)) == expected


# ---- a connection that is lost


def test_a_download_goes_on_after_a_lost_connection(saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(saved, "me/birds")
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.cuts["model.safetensors"] = [50_000, 20_000]
    assert load_pipeline("me/birds")(pictures(2)) == load_pipeline(saved)(pictures(2))
    spans = [span for method, path, span in hub.asked if method == "GET" and path.endswith("/model.safetensors")]
    assert spans == ["", "bytes=50000-", "bytes=70000-"]


def test_a_download_that_is_cut_off_keeps_whole_files_only(
    saved: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_to_hub(saved, "me/birds")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the tries
    hub.cuts["model.safetensors"] = [50_000, *[0] * 9]
    with pytest.raises(NotReachable, match="the connection is lost"):
        load_pipeline("me/birds")
    assert "model.safetensors" not in kept(tmp_path)
    assert kept(tmp_path)["mapping.safetensors"] == (saved / "decoder/mapping.safetensors").stat().st_size
    hub.lose = "/"
    with pytest.raises(NotReachable):  # it is not there whole
        load_pipeline("me/birds")
    hub.lose, hub.cuts, hub.asked = None, {}, []
    assert load_pipeline("me/birds")(pictures(2)) == load_pipeline(saved)(pictures(2))
    assert "decoder/mapping.safetensors" not in hub.downloaded()


@pytest.mark.parametrize("lost", ["/blobs/", "/commit/", "/preupload/"])
def test_a_push_that_is_cut_off_changes_nothing(
    lost: str, saved: Path, space: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_to_hub(space, "me/birds")
    before = dict(hub.files("me/birds"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.lose = lost
    with pytest.raises(NotReachable, match="a failed push changes nothing"):
        push_to_hub(saved, "me/birds")
    assert hub.files("me/birds") == before
    hub.lose = None
    push_to_hub(saved, "me/birds")
    assert hub.files("me/birds").keys() == listed(saved) | STAYS


def test_two_pushes_at_once_do_not_mix(saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(saved, "me/birds")
    found = hub.repositories["me/birds"]
    validate = hub.validate

    def meanwhile(card: str) -> object:
        found.commit("main", {"a.txt": b"x"}, "another one")
        return validate(card)

    monkeypatch.setattr(hub, "validate", meanwhile)
    with pytest.raises(C3Error, match="the hub answers 412"):
        push_to_hub(saved, "me/birds")
    assert hub.files("me/birds") == {"a.txt": b"x"}


# ---- what is not loaded, and what is not pushed


def test_a_pickle_is_never_downloaded(saved: Path, hub: Hub) -> None:
    push_to_hub(saved, "me/birds")
    files = hub.files("me/birds")
    files |= {"decoder/old.pkl": b"x", "pytorch_model.bin": b"x", "code.py": b"x"}
    assert load_pipeline("me/birds").modalities == ("text", "image")
    manifest = json.loads(files["pipeline.json"])
    manifest["files"]["decoder/old.pkl"] = "0" * 64
    other = hub.repositories["me/birds"].commit(
        "main", files | {"pipeline.json": json.dumps(manifest).encode()}, "worse"
    )
    with pytest.raises(CorruptFile, match=r"this pipeline lists decoder/old.pkl. Only safetensors, JSON"):
        load_pipeline("me/birds", revision=other)
    manifest["files"] = {"../../outside.json": "0" * 64}
    other = hub.repositories["me/birds"].commit(
        "main", files | {"pipeline.json": json.dumps(manifest).encode()}, "worst"
    )
    with pytest.raises(CorruptFile, match=r"lists \.\./\.\./outside.json"):
        load_pipeline("me/birds", revision=other)
    assert not [name for name in hub.downloaded() if name.endswith((".pkl", ".bin", ".py"))]


@pytest.mark.parametrize("name", [WEIGHTS, "space/text.safetensors", "decoder/decoder.json"])
def test_a_file_that_was_tampered_with_is_refused_and_not_kept(
    name: str, saved: Path, hub: Hub, tmp_path: Path
) -> None:
    push_to_hub(saved, "me/birds")
    files = hub.files("me/birds")
    good = files[name]
    files[name] = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(CorruptFile, match=r"(?s)was changed.* a download of me/birds and is not kept") as caught:
        load_pipeline("me/birds")
    assert len(str(caught.value).splitlines()) == 2
    assert not kept(tmp_path)
    files[name] = good
    assert load_pipeline("me/birds")(pictures(1)) == load_pipeline(saved)(pictures(1))
    del files[name]
    shutil.rmtree(tmp_path / "home")
    with pytest.raises(CorruptFile, match=f"me/birds on the hub lacks {name}"):
        load_pipeline("me/birds")


def test_a_space_that_was_tampered_with_is_refused(space: Path, hub: Hub, tmp_path: Path) -> None:
    push_to_hub(space, "me/space")
    hub.files("me/space")["text.safetensors"] += b"x"
    with pytest.raises(CorruptFile, match="not kept"):
        load_space("me/space")
    assert not kept(tmp_path)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda folder: (folder / "bridge.safetensors").write_bytes(b"x"), "bridge.safetensors was changed"),
        (lambda folder: (folder / WEIGHTS).unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "decoder/extra.json").write_text("{}"), "extra.json does not belong"),
        (lambda folder: (folder / "decoder/extra.pkl").write_text("x"), "looks like pickled weights"),
        (lambda folder: (folder / "pipeline.json").unlink(), "is neither a pipeline nor a space"),
    ],
)
def test_a_folder_that_is_not_as_its_manifest_says_is_not_pushed(
    fault: object, says: str, folder: Path, hub: Hub
) -> None:
    fault(folder)  # type: ignore[operator]
    with pytest.raises(C3Error, match=says):
        push_to_hub(folder, "me/birds")
    assert not hub.asked


@pytest.mark.parametrize("card", [b"---\nlicense: no-such\n---\n", b"---\n: : [\n---\n", b"\xff\xfe"])
def test_a_card_that_the_hub_refuses_is_said_before_anything_is_pushed(card: bytes, folder: Path, hub: Hub) -> None:
    (folder / "README.md").write_bytes(card)
    with pytest.raises(WrongCall, match="the hub refuses the card of me/birds") as caught:
        push_to_hub(folder, "me/birds")
    assert len(str(caught.value).splitlines()) == 1
    assert hub.files("me/birds").keys() == {".gitattributes"}


# ---- who may, and where


@pytest.mark.parametrize(
    "name", ["birds", "me/birds/3", "me/", "me/b rds", "me--you/birds", "me/birds.git", "./birds", ""]
)
def test_a_name_that_is_none_is_said(name: str, saved: Path, hub: Hub) -> None:
    with pytest.raises(WrongCall, match="is no name on the hub"):
        push_to_hub(saved, name)
    with pytest.raises(WrongCall):
        load_pipeline(name)


def test_what_is_not_on_the_hub_is_said(hub: Hub) -> None:
    with pytest.raises(WrongCall, match="the hub has no me/nothing, or does not show it to you"):
        load_pipeline("me/nothing")
    with pytest.raises(WrongCall, match="the hub has no me/nothing"):
        load_space("me/nothing")
    fails(
        "run",
        "me/nothing",
        "a.png",
        status=2,
        says="error: there is no folder me/nothing, and the hub has no me/nothing",
    )


def test_only_who_may_can_push_and_load(saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    push_to_hub(saved, "me/secret", private=True)
    push_to_hub(saved, "me/open")
    with pytest.raises(WrongCall, match="me/open on the hub is public"):
        push_to_hub(saved, "me/open", private=True)
    with pytest.raises(C3Error, match=r"does not let you use me/open \(403\)"):
        push_to_hub(saved, "me/open", token="token-of-you")
    with pytest.raises(C3Error, match=r"does not let you use me/new \(403\)"):
        push_to_hub(saved, "me/new", token="token-of-you")
    monkeypatch.setenv("HF_TOKEN", "token-of-nobody")
    with pytest.raises(C3Error, match=r"does not let you use me/new \(401\).*hf auth login"):
        push_to_hub(saved, "me/new")
    with pytest.raises(WrongCall, match="or does not show it to you"):
        load_pipeline("me/secret")
    assert load_pipeline("me/open").modalities == ("text", "image")


def test_a_hub_that_is_silent_or_gone_is_said(saved: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3core.io.hub.PATIENCE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for port in (silent.getsockname()[1], 9):
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
            for call in (
                lambda: load_pipeline("me/birds"),
                lambda: load_space("me/space"),
                lambda: push_to_hub(saved, "me/birds"),
            ):
                with pytest.raises(NotReachable, match="the hub cannot be reached for me/"):
                    call()


def test_a_card_that_cannot_be_written_is_said(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "out" / "README.md").mkdir(parents=True)
    (tmp_path / "out" / "README.md" / "mine.txt").write_text("x")
    with pytest.raises(C3Error, match=r"cannot write .*out"):
        pipeline.save_pretrained(tmp_path / "out")
    assert (tmp_path / "out" / "README.md" / "mine.txt").read_text() == "x"


# ---- models of others


HUB = """
from c3core.errors import C3Error
from c3core.io import check_hub, model_license
try:
    model_license("org/name")
except C3Error as error:
    print(error)
print(model_license("org/cached"))
for name in ("org/name", "org/cached", "no/such/name"):  # the last can be no name of a model, which loading says
    try:
        check_hub(name, "config.json", advice="Fetch it.")
    except C3Error as error:
        print(type(error).__name__, error)
"""


def test_the_hub_is_asked_only_for_a_model_that_is_not_in_its_cache(tmp_path: Path) -> None:
    """In a process that may not use the network."""
    folder = tmp_path / "hub" / "models--org--cached"
    for place, text in {"refs/main": "abc", "snapshots/abc/config.json": "{}"}.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text)
    (folder / "snapshots" / "abc" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "PATH": ""}
    command = [sys.executable, "-c", HUB]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=True)
    refused, license, unreachable = done.stdout.splitlines()
    assert refused.startswith("there is no folder 'org/name', and the hub has no such model or cannot be reached")
    assert license == "apache-2.0"
    assert unreachable == "NotReachable org/name is not on this machine, and the hub cannot be reached. Fetch it."
