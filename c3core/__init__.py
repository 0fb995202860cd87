"""Learn a cross-modal task from data of one modality: Connect, Collapse, Corrupt.

Public names are imported when first used, so that `import c3core` is fast. `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
