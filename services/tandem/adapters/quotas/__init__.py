"""Where tenants' use is counted: in this process, or in a server that replicas share."""
