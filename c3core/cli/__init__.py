"""The command line, `c3`. Each command's work is imported when it is called, so that `c3 --help` is instant.

`__init__.pyi` lists the options and helpers for the commands of plugins.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
