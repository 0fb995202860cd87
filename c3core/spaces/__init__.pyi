from .contrastive import info_nce as info_nce
from .contrastive_trainer import connect as connect
from .encoder import ConnectedEncoder as ConnectedEncoder
from .head import Head as Head
from .loading import load_space as load_space
from .recipe import ConnectRecipe as ConnectRecipe
from .serialization import load_connected as load_connected
from .serialization import save_connected as save_connected
