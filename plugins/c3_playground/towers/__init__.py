"""Small towers: two that come trained, and two that `c3 connect` trains in minutes on two cores."""
