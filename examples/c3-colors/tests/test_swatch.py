from c3core import load_decoder
from c3core.testing import DecoderContract


class TestSwatch(DecoderContract):
    def make(self):
        return load_decoder("swatch", condition_dim=5, width=48)

    def targets(self):
        return ["#ff0000", "#00ff00", "#1e90ff", "#ffffff"]
