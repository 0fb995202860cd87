from .geometry import Geometry as Geometry
from .geometry import Spread as Spread
from .geometry import measure_geometry as measure_geometry
from .moments import Moments as Moments
from .plots import plot_geometry as plot_geometry
