"""The paper's protocol and any other pair of databases."""
