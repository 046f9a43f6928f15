"""The record of a cell and the folder of records."""
