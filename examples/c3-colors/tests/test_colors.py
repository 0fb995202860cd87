from c3core import load_space
from c3core.testing import EncoderContract, PluginContract


class TestPlugin(PluginContract):
    plugin = "c3_colors"


class TestColor(EncoderContract):
    differentiable = True

    def make(self):
        return load_space("colors").encoder("color")

    def sources(self):
        return ["#ff0000", "#1e90ff", "#ffffff"]

    def bad_source(self):
        return "#ff00"


class TestName(EncoderContract):
    differentiable = True

    def make(self):
        return load_space("colors").encoder("text")

    def sources(self):
        return ["red", "blue", "white"]

    def bad_source(self):
        return "sunday"
