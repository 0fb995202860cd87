from .ablation import ablate as ablate
from .evaluation import Evaluation as Evaluation
from .evaluation import Evaluator as Evaluator
from .evaluation import evaluate as evaluate
from .fit import fit_recipe as fit_recipe
from .recipe import FitRecipe as FitRecipe
from .recipe import read_recipe as read_recipe
