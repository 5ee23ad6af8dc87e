"""Measures how often the interval of the expected calibration error holds the true one, and a percentile interval.

    python -m benchmarks.reliability

Two relations, probabilities drawn as a network's are, relations drawn with probabilities that a temperature makes
out of them; the true error is that of a million sentences. Prints the table of docs/scores.md.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from relclf.scoring.calibration import Shares, calibration_error


def main() -> None:
    """Parse the options and print a row for each size and temperature."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draws", type=int, default=500)
    draws = parser.parse_args().draws
    print("sentences  temperature  true %  mean %  by chance %  held  held by percentiles")
    for sentences in (200, 600, 2700):
        for temperature in (1.0, 1.3, 2.0):
            generator = np.random.default_rng(sentences)
            true = calibration_error(*_drawn(10**6, temperature, generator), samples=2).value
            found = [
                calibration_error(*_drawn(sentences, temperature, generator), samples=200)
                for _ in range(draws)
            ]
            held = np.mean([each.low <= true <= each.high for each in found])
            # A lower end that was cut at zero hides the upper end of the percentiles, which is then taken to hold.
            plain = np.mean(
                [2 * e.value - e.high <= true and (e.low == 0 or true <= 2 * e.value - e.low) for e in found]
            )
            mean, chance = (np.mean([getattr(e, key) for e in found]) for key in ("value", "by_chance"))
            shown = f"{100 * true:>6.2f}  {100 * mean:>6.2f}  {100 * chance:>11.2f}"
            print(f"{sentences:>9,}  {temperature:>11}  {shown}  {held:>4.2f}  {plain:>19.2f}", flush=True)


def _drawn(
    sentences: int, temperature: float, generator: np.random.Generator
) -> tuple[Shares, NDArray[np.bool_]]:
    """The probability of the predicted relation, and whether it is right: (sentences,) each."""
    score = np.abs(generator.normal(2.2, 1.6, sentences))
    return 1 / (1 + np.exp(-score)), generator.random(sentences) < 1 / (1 + np.exp(-score / temperature))


if __name__ == "__main__":
    main()
