import typer

from .options import Change as Change
from .options import DecoderOption as DecoderOption
from .options import Device as Device
from .options import DryRun as DryRun
from .options import Json as Json
from .options import MetricName as MetricName
from .options import Out as Out
from .options import Quiet as Quiet
from .options import Recipe as Recipe
from .options import Seed as Seed
from .options import numbers_of as numbers_of
from .output import writable as writable
from .recipes import read_changed as read_changed
from .recipes import resumable as resumable
from .recipes import run_folder as run_folder
from .recipes import trial as trial

app: typer.Typer

def main() -> None: ...
