from .embedder import embed as embed
from .ray import embed_with_ray as embed_with_ray
