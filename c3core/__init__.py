"""Learn a cross-modal task from data of one modality: Connect, Collapse, Corrupt.

Public names are imported when first used, so that `import c3core` is fast. `__init__.pyi` lists them.

Import c3core before torch. It sets `GOMP_SPINCOUNT=10000`, unless you set that variable yourself: OpenMP reads it when
torch loads.
"""

import os

import lazy_loader

# A thread of OpenMP that waits for the others spins by default, and keeps them from the processor if other programs use
# it too: a picture that takes 0.2 s then takes 20 s.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
