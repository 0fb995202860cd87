from .average import MovingAverage as MovingAverage
from .options import TrainingOptions as TrainingOptions
from .seed import seed_of as seed_of
from .task import TrainingResult as TrainingResult
from .task import TrainingTask as TrainingTask
from .trainer import train as train
