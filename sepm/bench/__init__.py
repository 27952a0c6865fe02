"""What a run costs, measured against a plain script, with random weights and without a download."""
