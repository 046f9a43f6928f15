"""Typed configuration, composed by Hydra, and the objects built from it."""
