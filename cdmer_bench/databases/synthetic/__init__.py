"""The embedded synthetic corpus: generated faces in the structure of the four real databases."""
