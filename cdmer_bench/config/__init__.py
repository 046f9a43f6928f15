"""Typed configuration, composed by Hydra, and the objects built from it."""

# Groups of which a run takes several cards, with the keys that these fill; all groups.
LISTED = {"method": "methods", "descriptor": "descriptors", "task": "tasks"}
GROUPS = (*LISTED, "corpus", "preprocessing", "selection", "backend", "experiment")
# Keys that take a few words only.
CHOICES = {
    "against": ("paper",),
    "solver": ("paper", "exact"),
    "data.errors": ("stop", "ignore"),
    "device": ("auto", "cpu", "cuda"),
    "backend.name": ("loky", "sequential", "dask"),
}
