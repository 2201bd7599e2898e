"""The connection to a predictor, whatever it speaks."""
