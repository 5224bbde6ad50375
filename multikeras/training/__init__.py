"""Training: what `compile` fixes, the data of `fit`, and the loops over batches."""
