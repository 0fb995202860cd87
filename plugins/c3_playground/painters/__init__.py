"""Painters: decoders that were trained on the playground's pictures alone, and what scores the pictures they draw."""
