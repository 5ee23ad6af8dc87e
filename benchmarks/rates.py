"""What each optimiser learns in a short training at its usual rate and at other ones; a table for docs/diagnosis.md.

    python benchmarks/rates.py configs/quickstart.yaml [KEY=VALUE ...]

The thresholds of the learning-rate probe come from it (relclf/diagnosis/rate_probes.py).
"""

import statistics
import sys
from pathlib import Path

from relclf.config.loading import load_config
from relclf.diagnosis.probes import probed_network
from relclf.diagnosis.rate_probes import learned
from relclf.training.experiment import prepare

OPTIMIZERS = [
    ("adam", 0.001, ""),
    ("adam", 0.0001, ""),
    ("adam", 0.00001, ""),
    ("adam", 0.1, ""),
    ("adamw", 0.001, ""),
    ("nadam", 0.002, ""),
    ("radam", 0.001, ""),
    ("adamax", 0.002, ""),
    ("rmsprop", 0.001, ""),
    ("adagrad", 0.01, ""),
    ("adagrad", 0.1, ""),
    ("adadelta", 1.0, ""),
    ("sgd", 0.1, ""),
    ("sgd", 0.01, ""),
    ("sgd", 0.01, ", momentum: 0.9"),
]
FACTORS = (0.1, 1, 10, 100, 1000)
SEEDS = (1, 2)


def main() -> None:
    """Print the table's rows: the learned share in %, the mean of the seeds, by the factor on the rate."""
    config, *overrides = sys.argv[1:]
    print("| optimiser, rate | " + " | ".join(f"x {factor:g}" for factor in FACTORS) + " |", flush=True)
    print("|---|" + "---|" * len(FACTORS), flush=True)
    for name, rate, options in OPTIMIZERS:
        setting = f"training.optimizer={{name: {name}, lr: {rate}{options}}}"
        material = prepare(load_config(Path(config), [*overrides, setting, "training.threads=1"]))
        networks = [probed_network(material, seed) for seed in SEEDS]
        shares = [statistics.mean(learned(network, factor) for network in networks) for factor in FACTORS]
        cells = " | ".join(f"{100 * max(0.0, share):.0f}" for share in shares)
        print(f"| {name}{options.replace(':', '')} {rate:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
