"""What a model is taught by: formulas on tensors, each with its source."""
