"""Data sets, captions, augmentation, the one training loop, the evaluations."""
