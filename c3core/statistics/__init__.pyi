from .familiarity import Familiarity as Familiarity
from .familiarity import familiarity_states as familiarity_states
from .moments import Moments as Moments
from .moments import row_batches as row_batches
from .unit_norm import unit_rows as unit_rows
