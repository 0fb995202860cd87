from c3_testing import BridgeContract
from c3core import load_bridge


class TestStandard(BridgeContract):
    def make(self):
        return load_bridge("standard", noise_std=0.3)
