"""Guided decoding: the space chooses among the words that the language model proposes."""
