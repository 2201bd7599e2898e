"""OpenTelemetry's wire: what is told to a collector, and how."""
