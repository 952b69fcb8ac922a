"""What words say: a sentence-transformers model behind one small interface."""
