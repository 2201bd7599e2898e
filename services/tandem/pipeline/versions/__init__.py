"""Collections from one version to the next."""
