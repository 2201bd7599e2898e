"""What can be wrong with a release, one rule a file: facts in, findings out, nothing asked of the cluster."""
