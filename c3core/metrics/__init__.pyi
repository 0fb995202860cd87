from .custom import load_metrics as load_metrics
from .fid import embedding_metrics as embedding_metrics
from .fid import fid_and_kid as fid_and_kid
from .retrieval import retrieval_metrics as retrieval_metrics
from .shown import decimals as decimals
