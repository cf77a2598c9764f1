"""Helpers without speech: errors, registries, plugins, atomic files, progress, parallel work, timing."""
