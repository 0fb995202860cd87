"""The four methods of the paper, with their symbols."""

METHODS = {"c1": "C¹", "c2_1": "C²₁", "c2_2": "C²₂", "c3": "C³"}
