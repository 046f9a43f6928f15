"""Cells: planning, running their strands in parallel, storing each as it ends."""
