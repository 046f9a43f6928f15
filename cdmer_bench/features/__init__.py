"""Features of whole databases: extraction and the store."""
