"""A small Hugging Face hub on this machine: repositories, branches, commits, uploads and downloads over real HTTP.

It speaks what `huggingface_hub` uses, as the hub does: a file is uploaded inside of the commit, or before it by its
sha256 if it is large, and is downloaded in parts after a lost connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from c3core.io.model_card import HUB_LICENSES

OWNERS = {"token-of-me": "me", "token-of-you": "you"}
Files = dict[str, bytes]


class Refused(Exception):
    """An answer of the hub that is an error."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        self.status, self.message, self.code = status, message, code


class Repository:
    """Commits of a repository. The first one holds what the hub puts into it."""

    def __init__(self, *, private: bool) -> None:
        self.private = private
        self.branches: dict[str, str] = {}
        self.commits: dict[str, Files] = {}
        self.messages: list[str] = []
        self.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")

    def commit(self, branch: str, files: Files, message: str) -> str:
        parts = [
            branch,
            str(len(self.messages)),
            *(name + hashlib.sha1(data).hexdigest() for name, data in files.items()),
        ]
        sha = hashlib.sha1("\n".join(parts).encode()).hexdigest()
        self.commits[sha], self.branches[branch] = files, sha
        self.messages.append(message)
        return sha

    def at(self, revision: str) -> tuple[str, Files]:
        sha = self.branches.get(revision, revision)
        if sha not in self.commits:
            raise Refused(404, "no such revision", "RevisionNotFound")
        return sha, self.commits[sha]


class Hub:
    """The hub: its repositories, what was asked of it, and faults that it shall have."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.blobs: Files = {}
        self.asked: list[tuple[str, str, str]] = []  # method, path, range
        self.cuts: dict[str, list[int]] = {}  # of a file: bytes after which the connection is lost, for each download
        self.lose: str | None = None  # the connection of a request with these words in its path is lost

    def files(self, repo: str, revision: str = "main") -> Files:
        return self.repositories[repo].at(revision)[1]

    def downloaded(self) -> list[str]:
        """The names of files that were downloaded, in order."""
        return [
            path.split("/resolve/")[1].split("/", 1)[1]
            for method, path, _ in self.asked
            if method == "GET" and "/resolve/" in path
        ]

    # ---- what it answers

    def find(self, repo: str, user: str | None) -> Repository:
        found = self.repositories.get(repo)
        if found is None or (found.private and user != repo.split("/")[0]):
            raise Refused(404 if user else 401, "Repository not found", "RepoNotFound")
        return found

    def writable(self, repo: str, user: str | None) -> Repository:
        found = self.find(repo, user)
        if user is None:
            raise Refused(401, "Invalid username or password.")
        if user != repo.split("/")[0]:
            raise Refused(403, "You don't have the rights to write here")
        return found

    def answer(self, method: str, path: str, body: bytes, user: str | None) -> Any:
        """The answer to a call of the API."""
        match [method, *path.strip("/").split("/")]:
            case ["GET", "api", "models", owner, name, *rest]:
                repo = f"{owner}/{name}"
                found = self.find(repo, user)
                sha, files = found.at(unquote(rest[1]) if rest else "main")
                siblings = [{"rfilename": file} for file in files]
                return {
                    "id": repo,
                    "sha": sha,
                    "private": found.private,
                    "siblings": siblings,
                    "tags": [],
                    "downloads": 0,
                }
            case ["POST", "api", "repos", "create"]:
                asked = json.loads(body)
                repo = f"{asked['organization']}/{asked['name']}"
                if user is None:
                    raise Refused(401, "Invalid username or password.")
                if user != asked["organization"]:
                    raise Refused(403, "You don't have the rights to create a model under the namespace")
                private = asked.get("private") or asked.get("visibility") == "private"
                self.repositories[repo] = Repository(private=bool(private))
                return {"url": f"{self.address}/{repo}", "name": repo}
            case ["POST", "api", "models", owner, name, "branch", branch]:
                found = self.writable(f"{owner}/{name}", user)
                if unquote(branch) in found.branches:
                    raise Refused(409, "Reference already exists")
                found.branches[unquote(branch)] = found.branches["main"]
                return {}
            case ["POST", "api", "validate-yaml"]:
                return self.validate(json.loads(body)["content"])
            case ["POST", "api", "models", owner, name, "preupload", _]:
                self.writable(f"{owner}/{name}", user)
                files = json.loads(body)["files"]
                modes = ["lfs" if file["path"].endswith(".safetensors") else "regular" for file in files]
                keep = {"shouldIgnore": False}
                return {
                    "files": [
                        {"path": file["path"], "uploadMode": mode, **keep}
                        for file, mode in zip(files, modes, strict=True)
                    ]
                }
            case ["POST", owner, name, "info", "lfs", "objects", "batch"]:
                self.writable(f"{owner}/{name.removesuffix('.git')}", user)
                objects = json.loads(body)["objects"]
                return {"objects": [self.upload_of(one) for one in objects], "transfer": "basic"}
            case ["PUT", "blobs", oid]:
                if hashlib.sha256(body).hexdigest() != oid:
                    raise Refused(400, "the content is not that of its sha256")
                self.blobs[oid] = body
                return {}
            case ["POST", "api", "models", owner, name, "commit", branch]:
                repo = f"{owner}/{name}"
                oid = self.commit(self.writable(repo, user), unquote(branch), body)
                return {"commitUrl": f"{self.address}/{repo}/commit/{oid}", "commitOid": oid}
        raise Refused(404, f"no such call: {method} {path}")

    def upload_of(self, one: dict[str, Any]) -> dict[str, Any]:
        upload = {"upload": {"href": f"{self.address}/blobs/{one['oid']}", "header": {}}}
        return {**one, **({} if one["oid"] in self.blobs else {"actions": upload})}

    @staticmethod
    def validate(card: str) -> Any:
        _, head, _ = card.split("---", 2) if card.startswith("---") else ("", "{}", "")
        try:
            license = (yaml.safe_load(head) or {}).get("license", "unknown")
        except yaml.YAMLError:
            raise Refused(400, "the metadata is no YAML") from None
        if license not in {*HUB_LICENSES.split(), "other", "unknown"}:
            raise Refused(400, f'"license" must be one of [apache-2.0, …], not {license}')
        return {}

    def commit(self, found: Repository, branch: str, body: bytes) -> str:
        header, *operations = map(json.loads, body.splitlines())
        sha, before = found.at(branch)
        if header["value"].get("parentCommit", sha) != sha:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(before)
        for operation in operations:
            path = operation["value"]["path"]
            match operation["key"]:
                case "deletedFile":
                    del files[path]
                case "file":
                    files[path] = base64.b64decode(operation["value"]["content"])
                case "lfsFile":
                    files[path] = self.blobs[operation["value"]["oid"]]
        return found.commit(branch, files, header["value"]["summary"])

    def file(self, path: str, user: str | None) -> tuple[str, bytes]:
        """The commit and the content of a file."""
        repo, _, rest = path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        sha, files = self.find(repo, user).at(unquote(revision))
        if unquote(name) not in files:
            raise Refused(404, "no such file", "EntryNotFound")
        return sha, files[unquote(name)]

    # ---- HTTP

    address = ""

    @contextmanager
    def serve(self) -> Iterator[Hub]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def work(self) -> None:
                path, span = urlsplit(self.path).path, self.headers.get("Range", "")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hub.asked.append((self.command, path, span))
                if hub.lose is not None and hub.lose in path:
                    self.close_connection = True
                    return
                user = OWNERS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
                try:
                    if "/resolve/" in path:
                        self.send_file(path, span, user)
                    else:
                        self.send(200, json.dumps(hub.answer(self.command, path, body, user)).encode())
                except Refused as refused:
                    words = {"error": refused.message, "errors": [{"message": refused.message}]}
                    headers = {"X-Error-Message": refused.message, "X-Error-Code": refused.code}
                    headers = {name: value for name, value in headers.items() if value.isascii() and value}
                    self.send(refused.status, json.dumps(words).encode(), **headers)

            do_GET = do_HEAD = do_POST = do_PUT = work

            def send_file(self, path: str, span: str, user: str | None) -> None:
                commit, data = hub.file(path, user)
                headers = {
                    "X-Repo-Commit": commit,
                    "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                    "Accept-Ranges": "bytes",
                }
                start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
                cuts = hub.cuts.get(path.rsplit("/", 1)[1], []) if self.command == "GET" else []
                self.send(206 if span else 200, data[start:], keep=cuts.pop(0) if cuts else None, **headers)

            def send(self, status: int, data: bytes, keep: int | None = None, **headers: str) -> None:
                self.send_response(status)
                for name, value in {
                    "Content-Type": "application/json",
                    "Content-Length": str(len(data)),
                    **headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[:keep])
                if keep is not None:
                    self.close_connection = True

            def log_message(self, *words: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def using(hub: Hub, home: Any) -> Iterator[None]:
    """Let `huggingface_hub` use this hub, with a cache in the folder `home`, as its environment variables would."""
    import huggingface_hub.constants as constants

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.address)
        patch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("HF_TOKEN", "token-of-me")
        yield
