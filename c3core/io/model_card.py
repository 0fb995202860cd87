"""Model cards, `README.md`: the part that the hub reads, and the licenses that a card names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

CARD = "README.md"
MARK = "<!-- Written by c3core"  # begins the line of a card that no user wrote
WRITTEN = f"{MARK}. Remove this line to keep your own text. -->"
UNKNOWN_LICENSE = "unknown: see the model's card"

# The names of licenses that the hub takes. It refuses a card with any other one.
HUB_LICENSES = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense
zlib pddl lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma
"""


def is_own_card(path: Path) -> bool:
    """Whether a user wrote the card: it is there, and lacks the line that says otherwise."""
    return path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace")


def write_card(name: str, licenses: Iterable[str], tags: Iterable[str], parts: Iterable[str]) -> str:
    """The text of a card: what the hub reads, a title, and the parts.

    The hub knows some licenses. Another one is "other", with its own name beside it.

    >>> print(write_card("me/birds", ["Own"], ["image-to-text"], ["It names birds."]))
    ---
    library_name: c3core
    license: other
    license_name: own
    tags:
    - c3
    - image-to-text
    ---
    <BLANKLINE>
    <!-- Written by c3core. Remove this line to keep your own text. -->
    <BLANKLINE>
    # me/birds
    <BLANKLINE>
    It names birds.
    <BLANKLINE>
    """
    found = sorted({license.lower() for license in licenses})
    known = len(found) == 1 and found[0] in HUB_LICENSES.split()
    about: dict[str, object] = {"library_name": "c3core", "license": found[0] if known else "other"}
    if len(found) == 1 and not known:
        about["license_name"] = re.sub(r"[^a-z0-9.]+", "-", found[0]).strip("-.")
    about["tags"] = ["c3", *tags]
    head = f"---\n{yaml.safe_dump(about, sort_keys=False)}---"
    return "\n\n".join([head, WRITTEN, f"# {name}", *parts]) + "\n"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a card."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def card_license(card: Path) -> str:
    """The license that a card names, or `UNKNOWN_LICENSE`."""
    from huggingface_hub import ModelCard

    if not card.is_file():
        return UNKNOWN_LICENSE
    try:
        data = ModelCard.load(card).data
        named = data.get("license_name") if data.license == "other" else None
        return str(named or data.license or UNKNOWN_LICENSE)
    except Exception:  # anybody writes cards: one that cannot be parsed names no license
        return UNKNOWN_LICENSE
