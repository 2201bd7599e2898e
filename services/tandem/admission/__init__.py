"""May this request run now."""
