"""Kubernetes, seen from outside: what a cluster says about a release."""
