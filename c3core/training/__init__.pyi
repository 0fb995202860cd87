from .options import TrainingOptions as TrainingOptions
from .seed import seed_of as seed_of
from .trainer import TrainingResult as TrainingResult
from .trainer import TrainingTask as TrainingTask
from .trainer import train as train
