from .captions import CaptionScores as CaptionScores
from .captions import caption_metrics as caption_metrics
from .fid import EmbeddingScores as EmbeddingScores
from .fid import embedding_metrics as embedding_metrics
from .inception import inception_features as inception_features
from .inception import inception_metrics as inception_metrics
from .inception import load_inception as load_inception
from .retrieval import retrieval_metrics as retrieval_metrics
