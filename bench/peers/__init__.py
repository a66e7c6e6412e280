"""The peers, each as its own users write it; `train(task, watch)` is all that they share."""
