"""`c3 ablate`: one recipe with several bridges, seeds and fractions of its pairs."""
