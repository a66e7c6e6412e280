"""Ludwig: `LudwigModel.train` on a DataFrame, without evaluation or files beside the training.

Its vectors are text, so the rows are written as text first; that is part of using it. The six labels are six
binary outputs of a sixth each: its sets have a seventh label for what is unknown, and so another loss.
"""

from __future__ import annotations

import tempfile

import numpy as np
import pandas as pd
import torch
from ludwig.api import LudwigModel
from ludwig.callbacks import Callback
from task import Stopwatch, Task

LABELS = [f"label_{column}" for column in range(6)]


class Watching(Callback):
    """Tells the stopwatch; the losses are known only when training has ended."""

    def __init__(self, watch: Stopwatch, weights: dict[str, list[np.ndarray]]) -> None:
        self.watch, self.weights = watch, weights

    def on_train_start(self, model: torch.nn.Module, *_: object, **__: object) -> None:
        """Begin with the weights that all peers begin with."""
        hidden, *outputs = (each for each in model.modules() if isinstance(each, torch.nn.Linear))
        layers = [(hidden, slice(None)), *((each, slice(i, i + 1)) for i, each in enumerate(outputs))]
        with torch.no_grad():
            for layer, columns in layers:
                arrays = self.weights["hidden" if layer is hidden else "attributes"]
                kernel, bias = (torch.from_numpy(array)[..., columns] for array in arrays)
                layer.weight.copy_(kernel.T)
                layer.bias.copy_(bias)

    def on_epoch_start(self, *_: object, **__: object) -> None:
        self.watch.epoch_started()

    def on_batch_end(self, *_: object, **__: object) -> None:
        self.watch.step_done()

    def on_epoch_end(self, *_: object, **__: object) -> None:
        self.watch.epoch_done(float("nan"))


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    with np.load(task.data) as arrays:
        images, labels = arrays["image"].astype(np.float32) / 255, arrays["attributes"] > 0
    frame = pd.DataFrame(labels, columns=LABELS)
    frame["image"] = [" ".join(map(str, row)) for row in images]
    model = LudwigModel(_config(task), backend="local", callbacks=[Watching(watch, task.weights())])
    with tempfile.TemporaryDirectory() as folder:
        result = model.train(
            training_set=frame,
            output_directory=folder,
            random_seed=task.seed,
            skip_save_training_description=True,
            skip_save_training_statistics=True,
            skip_save_model=True,
            skip_save_progress=True,
            skip_save_log=True,
            skip_save_processed_input=True,
        )
    watch.epoch_losses = [float(loss) for loss in result.train_stats.training["combined"]["loss"]]


def _config(task: Task) -> dict[str, object]:
    encoder = {"type": "dense", "num_layers": 1, "output_size": 6, "activation": "relu"}
    return {
        "input_features": [{"name": "image", "type": "vector", "encoder": encoder}],
        "output_features": [{"name": name, "type": "binary", "loss": {"weight": 1 / 6}} for name in LABELS],
        "combiner": {"type": "concat", "num_fc_layers": 0},
        "trainer": {
            "epochs": task.epochs,
            "batch_size": task.batch_size,
            "learning_rate": 1e-3,
            "learning_rate_scheduler": {"decay": None},
            "optimizer": {"type": "adam", "eps": 1e-7},
            "gradient_clipping": {"clipglobalnorm": None},
            "evaluate_training_set": False,
            "early_stop": -1,
        },
    }
