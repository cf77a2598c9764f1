"""Audio: reading and writing files, log-mel spectrogram, pitch, voice activity, loudness, bandwidth."""
