"""A package, so that it comes before one of this name that a library leaves in site-packages: tests send functions to processes."""
