"""Sentences to the tokens that COCO's caption metrics compare: lower case, Penn Treebank splitting, no punctuation."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from c3core.errors import C3Error, NotInstalled, WrongCall
from c3core.metrics import ptb_tokenizer

Tokeniser = Literal["auto", "ptb", "python"]
INSTALL = 'pip install "c3core[metrics]"'
_BREAKS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")  # whatever may end a line for Java or for Python
# Between two sentences. Java looks past the end of a line, but not past a word: without it, "vitamin C." would lose its
# full stop or keep it by what the next sentence begins with.
_SEPARATOR = "x"


def java() -> str | None:
    """The path of a `java` program, or None."""
    return shutil.which("java")


def package_file(name: str) -> Path:
    """A file of the pycocoevalcap package, which need not be imported for that; a `C3Error` says what brings it."""
    spec = find_spec("pycocoevalcap")
    roots = spec.submodule_search_locations if spec else None
    path = Path(next(iter(roots))) / name if roots else None
    if path is None or not path.is_file():
        raise NotInstalled(f"pycocoevalcap, which holds {Path(name).name}, is not installed: {INSTALL}")
    return path


def tokenize(sentences: Sequence[str], *, tokenizer: Tokeniser = "auto", timeout: float = 600) -> tuple[list[str], str]:
    """Each sentence as its tokens joined by spaces, and the name of the tokenizer: "ptb (java)" or "ptb-like (python)".

    "ptb" is Stanford's PTBTokenizer as COCO runs it, in one Java process for all sentences; "python" is our own of
    the same rules; "auto" takes Java where there is one. A line break counts as a space; an empty sentence gives "".
    Each sentence is tokenized as if it stood alone.

    Raises `C3Error` for "ptb" without Java or without pycocoevalcap, for one string instead of a list, and when Java
    fails or takes longer than `timeout` seconds.

    >>> tokenize(["Don't walk the dog's ball!", "T-shirt, $5"], tokenizer="python")
    (["do n't walk the dog 's ball", 't-shirt $ 5'], 'ptb-like (python)')
    """
    if isinstance(sentences, str):
        raise C3Error("sentences must be a list, not one string. Write [sentence].")
    for sentence in sentences:
        if not isinstance(sentence, str):
            raise C3Error(f"a sentence must be a string, got {type(sentence).__name__}. Leave such rows out.")
    if tokenizer not in ("auto", "ptb", "python"):
        raise WrongCall(f"no tokenizer is called {tokenizer!r}. Use auto, ptb or python.")
    lines = [_BREAKS.sub(" ", sentence) for sentence in sentences]
    if tokenizer == "python" or (tokenizer == "auto" and java() is None):
        return [ptb_tokenizer.tokenize(line) for line in lines], "ptb-like (python)"
    return _java_tokens(lines, timeout), "ptb (java)"


def _java_tokens(lines: Sequence[str], timeout: float) -> list[str]:
    program = java()
    if program is None:
        raise NotInstalled("the ptb tokenizer needs Java, and no `java` was found. Install it, or use the python one.")
    jar = package_file("tokenizer/stanford-corenlp-3.4.1.jar")
    if not lines:
        return []
    command = [
        program,
        "-cp",
        str(jar),
        "edu.stanford.nlp.process.PTBTokenizer",
        "-preserveLines",
        "-lowerCase",
        "-encoding",
        "UTF-8",
    ]
    text = "".join(f"{line}\n{_SEPARATOR}\n" for line in lines)
    try:
        # Lone surrogates have no bytes in UTF-8; Java drops what is beyond its plane anyway.
        answer = subprocess.run(command, input=text.encode("utf-8", "replace"), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise C3Error(f"the Java tokenizer took longer than {timeout:g} s. Use the python tokenizer.") from None
    except OSError as error:
        raise C3Error(f"{program} cannot be run ({error.strerror or error}). Use the python tokenizer.") from None
    tokenized = answer.stdout.decode("utf-8", "replace").split("\n")[:-1]
    if answer.returncode != 0 or len(tokenized) != 2 * len(lines):
        complaint = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        why = complaint[-1] if complaint else f"exit status {answer.returncode}"
        raise C3Error(f"the Java tokenizer failed ({why}). Use the python tokenizer.")
    return [
        " ".join(token for token in line.rstrip().split(" ") if token not in ptb_tokenizer.PUNCTUATION)
        for line in tokenized[::2]
    ]
