"""The Kubernetes API, as a pod of the cluster asks it."""
