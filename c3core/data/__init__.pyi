from .fingerprint import checksum as checksum
from .items import Items as Items
from .items import load_items as load_items
from .pairs import Pairs as Pairs
from .sources import Source as Source
from .tables import Table as Table
from .tables import load_table as load_table
from .tables import read_table as read_table
