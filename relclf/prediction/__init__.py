"""Uses a trained network: evaluates it on labelled data, and labels new sentences."""
