"""Small towers, one a modality, that `c3 connect` trains in minutes on two cores."""
