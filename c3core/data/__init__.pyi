from .fingerprint import checksum as checksum
from .pairs import Pairs as Pairs
from .sources import Source as Source
from .sources import expand as expand
from .tables import Table as Table
from .tables import load_table as load_table
from .tables import read_table as read_table
