"""SPICE: how well the scene graphs of captions match those of the references, by pycocoevalcap's jar."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from c3core.errors import C3Error, NotInstalled
from c3core.metrics.tokenizer import java, package_file

JAR = "spice/spice-1.0.jar"
MODELS = "lib/stanford-corenlp-3.6.0-models.jar"  # beside the jar; pycocoevalcap does not bring it
_NO_JAVA = "SPICE needs Java, and no `java` was found. Install one."
_NO_MODELS = (
    "SPICE needs Stanford's parsing models. Run `python -m pycocoevalcap.spice.get_stanford_models` to download them."
)


def spice(truth: Mapping[int, Sequence[str]], result: Mapping[int, Sequence[str]], timeout: float) -> float:
    """SPICE of tokenized captions, the mean F of the items, in [0, 1].

    pycocoevalcap's own wrapper downloads the models unasked, writes into its package and may hang for ever. Raises
    `C3Error` where Java or the models are missing, and for a process that fails or takes longer than `timeout` seconds.
    """
    program = java()
    if program is None:
        raise NotInstalled(_NO_JAVA)
    jar = package_file(JAR)
    if not (jar.parent / MODELS).is_file():
        raise NotInstalled(_NO_MODELS)
    items = [{"image_id": i, "test": candidate, "refs": list(truth[i])} for i, (candidate,) in result.items()]
    with TemporaryDirectory() as folder:
        given, scored = Path(folder, "captions.json"), Path(folder, "scores.json")
        given.write_text(json.dumps(items), encoding="utf-8")
        command = [program, "-Xmx8G", "-jar", str(jar), str(given), "-out", str(scored), "-subset", "-silent"]
        try:
            subprocess.run(command, cwd=folder, capture_output=True, timeout=timeout, check=True)
            figures = [float(item["scores"]["All"]["f"]) for item in json.loads(scored.read_text(encoding="utf-8"))]
        except subprocess.TimeoutExpired:
            raise C3Error(f"SPICE's Java process took longer than {timeout:g} s, so SPICE was not computed.") from None
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            raise C3Error(
                f"SPICE's Java process failed ({error}), so SPICE was not computed. It runs on Java 8."
            ) from None
    if len(figures) != len(items):
        raise C3Error(
            f"SPICE's Java process scored {len(figures)} of {len(items)} captions, so SPICE was not computed."
        )
    return sum(figures) / len(figures)
