"""Speaker and emotion embeddings: the encoders and the store of computed embeddings."""
