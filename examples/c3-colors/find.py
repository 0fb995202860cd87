import c3core

space, table = c3core.load_space("space"), c3core.load_table("test.csv")
sentences = sorted(set(table.column("text")))
similarity = space.encode(table.column("spectrum"), "spectrum") @ space.encode(sentences, "text").T
found = [sentences[row.argmax()] for row in similarity]
right = [set(one.split()) == set(other.split()) for one, other in zip(found, table.column("text"))]
print(f"{space.modalities}: {sum(right)} of {len(right)}")
