"""The least that an epoch can take here: the network's matrix products, and the optimizer's bytes.

    python bench/limit.py NETWORK STEPS THREADS

float32 products of exactly the network's shapes, as many as an epoch has, each by whichever of PyTorch's
two libraries is faster for it, then as many steps of PyTorch's fused Adam over all parameters in one flat
tensor: it reads weights, gradients and two moments, and writes all but the gradients. THREADS is a number, or
0 for what PyTorch takes by itself. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import torch
from networks import NETWORKS, Product, products_of

BYTES_PER_PARAMETER = 7 * 4
WARM_UP = 20
TRIALS = 30

Multiply = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def main() -> None:
    """Measure one network."""
    name, steps, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    products = products_of(NETWORKS[name])
    multiplying = _time(_multiply(products), steps)
    optimizing = _time(_optimize(NETWORKS[name].parameters), steps)
    document = {
        "threads": torch.get_num_threads(),
        "products_seconds": multiplying,
        "optimizer_seconds": optimizing,
        "epoch_seconds": multiplying + optimizing,
        "gflops": sum(each.flops for each in products) * steps / multiplying / 1e9,
        "gigabytes_per_second": NETWORKS[name].parameters * BYTES_PER_PARAMETER * steps / optimizing / 1e9,
    }
    print(json.dumps(document), flush=True)


def _time(step: Callable[[], None], steps: int) -> float:
    for _ in range(min(WARM_UP, steps)):
        step()
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return time.perf_counter() - started


def _multiply(products: list[Product]) -> Callable[[], None]:
    """All products of one step, results allocated where oneDNN makes them."""
    operands = [
        (torch.randn(each.m, each.k), torch.randn(each.n, each.k), multiply)
        for each, multiply in ((each, _faster(each)) for each in products)
        for _ in range(each.times)
    ]

    def step() -> None:
        for left, right, multiply in operands:
            multiply(left, right)

    return step


def _faster(product: Product) -> Multiply:
    """MKL's or oneDNN's product, by a trial; the right side lies transposed, as a layer's weights do."""
    left, right = torch.randn(product.m, product.k), torch.randn(product.n, product.k)
    result = torch.empty(product.m, product.n)
    ways: list[Multiply] = [
        lambda left, right: torch.mm(left, right.T, out=result),
        lambda left, right: torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], ""),
    ]
    return min(ways, key=lambda way: min(_time(lambda: way(left, right), TRIALS) for _ in range(3)))


def _optimize(parameters: int) -> Callable[[], None]:
    flat = torch.nn.Parameter(torch.randn(parameters))
    flat.grad = torch.randn(parameters)
    return torch.optim.Adam([flat], lr=1e-3, eps=1e-7, fused=True).step


if __name__ == "__main__":
    main()
