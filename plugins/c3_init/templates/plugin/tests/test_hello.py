"""The contract suites of c3core on the plugin."""

from c3core import load_space
from c3core.testing import EncoderContract, PluginContract


class TestPlugin(PluginContract):
    plugin = "hello"


class Words(EncoderContract):
    def sources(self):
        return ["a red circle", "a star", "two cubes"]

    def bad_source(self):
        return "123"


class TestOwn(Words):
    def make(self):
        return load_space("hello").encoder("hello")


class TestText(Words):
    def make(self):
        return load_space("hello").encoder("text")
