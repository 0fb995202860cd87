from .loading import push_to_hub as push_to_hub
from .pipeline import Pipeline as Pipeline
from .pipeline import load_pipeline as load_pipeline
