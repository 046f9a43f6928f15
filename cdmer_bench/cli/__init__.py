"""The `cdmer` command; `main.py` dispatches and imports nothing heavy."""
