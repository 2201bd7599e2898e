"""Text Generation Inference, as a client."""
