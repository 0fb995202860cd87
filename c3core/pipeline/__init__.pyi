from .loading import load_pipeline as load_pipeline
from .pipeline import Pipeline as Pipeline
