"""Cells: planning, running their batches in parallel, storing each as it ends."""
