"""Typed configuration, composed by Hydra, and the objects built from it."""

CHOICES = {
    "against": ("paper",),
    "solver": ("paper", "exact"),
    "data.errors": ("stop", "ignore"),
    "device": ("auto", "cpu", "cuda"),
    "backend.name": ("loky", "sequential", "dask"),
}
