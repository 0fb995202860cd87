"""Read YAML that users write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from c3core.errors import WrongCall

MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`, which may be given several times
FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")  # the numbers of YAML 1.2 that are text in YAML 1.1


def load_yaml(text: str, what: str) -> Any:
    """The value of a YAML text. Raises `WrongCall` for text that is no YAML, and for a field that is given twice.

    >>> load_yaml("noise_std: 1e-2", "recipe.yaml")
    {'noise_std': 0.01}
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2001-02-30
        mark = getattr(error, "problem_mark", None)
        why = f"line {mark.line + 1}: {error.problem}" if mark else " ".join(str(error).split())  # type: ignore[union-attr]
        raise WrongCall(f"{what} is no valid YAML: {why}") from None


def named_values(words: Sequence[str]) -> dict[str, Any]:
    """`name=value` words as a mapping; values are read as YAML.

    >>> named_values(["num_beams=3", "do_sample=true"])
    {'num_beams': 3, 'do_sample': True}
    """
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise WrongCall(f"an option is written name=value, not {word!r}.")
        try:
            options[name] = load_yaml(value, name)
        except WrongCall:
            raise WrongCall(f"the value of option {name!r} cannot be read: {value!r}. Put it in quotes.") from None
    return options


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a field which is given twice: PyYAML would keep the last one."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if (key.tag, key.value) in seen:
                raise ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            seen.add((key.tag, key.value))
        return node


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
