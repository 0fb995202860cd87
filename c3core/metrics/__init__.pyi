from .captions import CaptionScores as CaptionScores
from .captions import caption_metrics as caption_metrics
from .fid import EmbeddingScores as EmbeddingScores
from .fid import embedding_metrics as embedding_metrics
from .fid import fid_and_kid as fid_and_kid
from .ptb_tokenizer import tokenize as tokenize
from .retrieval import retrieval_metrics as retrieval_metrics
