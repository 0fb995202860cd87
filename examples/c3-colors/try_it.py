import c3core

space = c3core.load_space("colors")
names = ["red", "orange", "green", "blue", "brown", "white"]
text = space.encode(names, "text")
colors = space.encode(["#ee2222", "#ff9911", "#118822", "#2233dd", "#7a4a20", "#f4f4f4"], "color")

bridge = c3core.load_bridge("c3").fit({"text": text, "color": colors}, target="text")
similarity = bridge.condition(colors, "color") @ bridge.condition(text, "text").T
print(f"{(colors * text).sum(1).mean():.2f} before, {similarity.diag().mean():.2f} after")
print(*(names[row.argmax()] for row in similarity))
