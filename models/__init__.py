"""The networks: their definitions and trained weights, the algebra that folds them, and their int8 form."""
