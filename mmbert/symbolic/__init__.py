"""What a score says: its notes, facets, octuples, windows and transformations."""
