"""Small helpers that know nothing of speech: errors, whole-or-absent files, progress, parallel work, timing."""
