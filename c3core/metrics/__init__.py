"""Measuring captions, retrieval and generated pictures. Each module is imported where it is used."""
