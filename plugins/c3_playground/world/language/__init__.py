"""Sentences about scenes, and the factors that a sentence tells."""
