from .evaluation import Evaluator as Evaluator
from .evaluation import evaluate as evaluate
from .evaluation import find_input as find_input
from .fit import build as build
from .fit import fit_recipe as fit_recipe
from .inputs import data_checksums as data_checksums
from .inputs import items_of as items_of
from .recipe import FitRecipe as FitRecipe
