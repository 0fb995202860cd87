"""Painters that were trained only on the playground's pictures, and the scores of what they draw."""
