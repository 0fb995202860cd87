import csv
from pathlib import Path

import numpy as np

PEAKS = {"purple": 5, "blue": 16, "green": 28, "yellow": 38, "orange": 47, "red": 58}
draw = np.random.default_rng(0)
Path("recordings").mkdir(exist_ok=True)
for table, count in (("train", 300), ("test", 60)):
    with open(f"{table}.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["spectrum", "text"])
        for k in range(count):
            colors = draw.choice(list(PEAKS), size=draw.integers(1, 3), replace=False)
            peaks = [np.exp(-(((np.arange(64) - PEAKS[color]) / draw.uniform(2, 4)) ** 2)) for color in colors]
            path = f"recordings/{table}-{k}" + (".npy" if k % 2 else ".csv")
            (np.save if k % 2 else np.savetxt)(path, sum(peaks) + draw.normal(0, 0.05, 64))
            rows.writerow([path, " and ".join(f"something {color}" for color in colors)])
