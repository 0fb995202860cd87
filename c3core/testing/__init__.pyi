from .bridges import BridgeContract as BridgeContract
from .decoders import DecoderContract as DecoderContract
from .encoders import EncoderContract as EncoderContract
from .plugins import PluginContract as PluginContract
from .towers import TowerContract as TowerContract
