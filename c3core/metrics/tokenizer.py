"""Split sentences into the tokens that COCO's caption metrics compare: Penn Treebank, lower case, no punctuation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from c3core.errors import WrongCall
from c3core.metrics import ptb_tokenizer
from c3core.metrics.java import find_java, java_process, package_file

TokenizerName = Literal["auto", "ptb", "python"]
_LINE_BREAKS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")  # whatever may end a line for Java or for Python
# A line of its own between two sentences. Java looks past the end of a line, but not past a word: without it, "vitamin
# C." would lose or keep its full stop by the first word of the next sentence.
_SEPARATOR = "x"


def tokenize(
    sentences: Sequence[str], *, tokenizer: TokenizerName = "auto", timeout: float = 600
) -> tuple[list[str], str]:
    """Return the tokens of each sentence, joined by spaces, and the tokenizer: "ptb (java)" or "ptb-like (python)".

    "ptb" is Stanford's PTBTokenizer as COCO runs it, in one Java process for all sentences; "python" follows the same
    rules in Python; "auto" takes Java if it is there. A line break counts as a space; an empty sentence gives "". A
    sentence is tokenized in the same way whatever the others are.

    Raises `WrongCall` for another tokenizer, `NotInstalled` for "ptb" without Java or pycocoevalcap, and `C3Error` if
    Java fails or takes longer than `timeout` seconds.

    >>> tokenize(["Don't walk the dog's ball!", "T-shirt, $5"], tokenizer="python")
    (["do n't walk the dog 's ball", 't-shirt $ 5'], 'ptb-like (python)')
    """
    if tokenizer not in ("auto", "ptb", "python"):
        raise WrongCall(f"no tokenizer is called {tokenizer!r}. Use auto, ptb or python.")
    lines = [_LINE_BREAKS.sub(" ", sentence) for sentence in sentences]
    if tokenizer == "python" or (tokenizer == "auto" and find_java() is None):
        return [ptb_tokenizer.tokenize(line) for line in lines], "ptb-like (python)"
    return _tokenize_by_java(lines, timeout), "ptb (java)"


def _tokenize_by_java(lines: Sequence[str], timeout: float) -> list[str]:
    jar = package_file("tokenizer/stanford-corenlp-3.4.1.jar")
    options = ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    arguments = ["-cp", jar, "edu.stanford.nlp.process.PTBTokenizer", *options]
    advice = "Or use the python tokenizer."
    with java_process("the ptb tokenizer", arguments, advice=advice, timeout=timeout) as process:
        output, _ = process.communicate("".join(f"{line}\n{_SEPARATOR}\n" for line in lines))
        tokenized = output.split("\n")[:-1]
        if process.returncode or len(tokenized) != 2 * len(lines):
            raise ValueError(f"exit status {process.returncode}, {len(tokenized) // 2} of {len(lines)} sentences")
    return [
        " ".join(token for token in line.rstrip().split(" ") if token not in ptb_tokenizer.PUNCTUATION)
        for line in tokenized[::2]
    ]
