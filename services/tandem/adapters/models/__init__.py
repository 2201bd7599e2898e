"""Registries of models: each resolves a name to a version that stays, and brings its files."""
