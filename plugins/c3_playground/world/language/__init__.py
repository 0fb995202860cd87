"""Write sentences about scenes, and parse the factors that a sentence states."""
