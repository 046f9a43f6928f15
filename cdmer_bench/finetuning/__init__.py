"""Fine-tuning of C3D on the clips and labels of a source database."""
