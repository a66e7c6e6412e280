"""Training: the step, the loop, the evaluation, and `run_experiment`, which makes a run of them."""
