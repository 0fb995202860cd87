"""The paper's theory as studies that run: each measures what a figure or a lemma claims, and draws its picture."""
