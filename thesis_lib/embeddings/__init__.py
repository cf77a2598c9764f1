"""Speaker and emotion embeddings: the encoders and the store that keeps what they computed."""
