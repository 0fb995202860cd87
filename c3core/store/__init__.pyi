from .shard import BadInput as BadInput
from .shard import EncoderInfo as EncoderInfo
from .shard import StoreBatch as StoreBatch
from .store import Store as Store
from .store import join as join
from .writer import SHARD_ROWS as SHARD_ROWS
from .writer import StoreWriter as StoreWriter
