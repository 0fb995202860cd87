from .average import MovingAverage as MovingAverage
from .checkpoint import load_trained as load_trained
from .checkpoint import trained_state as trained_state
from .options import TrainingOptions as TrainingOptions
from .seed import seed_of as seed_of
from .task import TrainingResult as TrainingResult
from .task import TrainingTask as TrainingTask
from .trainer import train as train
