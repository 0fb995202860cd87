"""Contract suites: pytest classes that test what every plugin, encoder, tower, bridge and decoder must do.

A plugin's test file subclasses the suite of what it brings, in a few lines. pytest does not come with `c3core`.
"""

from pkgutil import iter_modules

import lazy_loader
import pytest

# A failing assertion of a suite then shows its values, as one in a test file does.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
