"""Whether a bench may be believed: every turn ended well, and all trained to the same loss."""

from __future__ import annotations

from measured import TOLERANCE, Document, stray_losses


def find_faults(results: Document) -> list[str]:
    """A sentence for each training that failed and each loss that is out of line."""
    faults = [
        f"{name} could not be imported: {found['error']}"
        for name, found in results["peers"].items()
        if "error" in found
    ]
    for network, found in results["networks"].items():
        turns = [(name, turn) for name, turns in found["contenders"].items() for turn in turns]
        turns += [("mlx compare", turn) for turn in found["settings"]]
        faults += [f"{network}, {name}: {turn['error']}" for name, turn in turns if "error" in turn]
        faults += [
            f"{network}, {name}: its final loss is {off:+.1%} from the median of all, "
            f"more than {TOLERANCE:.0%}: it does not train the same network, or not as well"
            for name, off in stray_losses(results, network).items()
        ]
    return faults
