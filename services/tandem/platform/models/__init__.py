"""Models on Kubernetes: a candidate beside the model that serves, promotion, and the way back.

KServe's own SDK is not used: it brings pandas, Pillow and grpcio-tools (150 MB), and knows no server-side apply.
"""
