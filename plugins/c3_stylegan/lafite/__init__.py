"""The `lafite` decoder: LAFITE's network, from its weights."""
