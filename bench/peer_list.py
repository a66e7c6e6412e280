"""Whom `mlx` is measured beside: the peers, what each needs, and in which interpreter it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """A way to train the networks; `module` lies in peers/, `networks` are those it can express."""

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    keras_backend: str | None = None
    networks: tuple[str, ...] = ("autoencoder", "headline", "attributes")


PEERS = {
    peer.name: peer
    for peer in (
        Peer("plain", "PyTorch, Dataset and DataLoader", "plain_torch", ("torch",)),
        Peer(
            "torchvision",
            "PyTorch, torchvision and DataLoader",
            "torchvision_torch",
            ("torch", "torchvision"),
            networks=("autoencoder",),
        ),
        Peer("tidy", "PyTorch, tidy eager loop", "tidy_torch", ("torch",)),
        Peer("lightning", "PyTorch Lightning", "lightning_loop", ("lightning", "torch")),
        Peer("keras-jax", "Keras 3 on jax", "keras_fit", ("keras", "jax"), "jax"),
        Peer("keras-torch", "Keras 3 on torch", "keras_fit", ("keras", "torch"), "torch"),
        Peer(
            "keras-tensorflow",
            "Keras 3 on tensorflow",
            "keras_fit",
            ("keras", "tensorflow"),
            "tensorflow",
        ),
        # It has neither binary cross-entropy for a vector nor an output in the middle of a network.
        Peer("ludwig", "Ludwig", "ludwig_run", ("ludwig",), networks=("attributes",)),
    )
}
