from c3core import load_bridge
from c3core.testing import BridgeContract


class TestStandard(BridgeContract):
    def make(self):
        return load_bridge("standard", noise_std=0.3)
