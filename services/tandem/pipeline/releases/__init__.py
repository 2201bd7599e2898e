"""Releases, tried on a share of the conversations until what is measured tells whether they are good enough."""
