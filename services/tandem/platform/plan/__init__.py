"""What a deployment will cost and how it will answer, before there is one: traffic, service times and prices, simulated."""
