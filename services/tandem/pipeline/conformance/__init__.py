"""What a predictor must do for Tandem to work with it, as checks that any server or model can be put to."""
