"""Writes a model card from what a run holds, after Mitchell et al. 2019."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from relclf.config.loading import load_config
from relclf.config.schema import ExperimentConfig
from relclf.errors import UserMistake
from relclf.exports.stored import relation_counts, state_notes, stored_evaluations, stored_lines
from relclf.exports.writing import Export
from relclf.relations import printable
from relclf.runs.calibration import Calibration, read_calibration
from relclf.runs.directory import RunDirectory

FILE = "model-card.md"
FEW = 50
"""Sentences of a relation below which the card warns of its score."""
_TO_FILL_IN = "*The run does not say this. Whoever publishes the model should.*"
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#+!|&~:$^=@.\"']")


def model_card(run: RunDirectory, weights: str = "best", calibrated: bool = True) -> Export:
    """The card in Markdown. Raises UserMistake where the weights have not been evaluated."""
    evaluations = [each for each in stored_evaluations(run).values() if each["weights"] == weights]
    if not evaluations:
        raise UserMistake(
            f"{run.path}: has no evaluation of its {weights} weights, and a card without scores says little. "
            f"relclf evaluate {run.path}{'' if weights == 'best' else f' --weights {weights}'} makes one."
        )
    config = load_config(run.config)
    calibration = read_calibration(run, weights) if calibrated else None
    checkpoint = _Checkpoint.of(run.checkpoint(weights))
    if old := [each["split"] for each in evaluations if each["epoch"] != checkpoint.epoch]:
        raise UserMistake(
            f"{run.evaluations}: {', '.join(old)} was evaluated before the weights changed. "
            f"relclf evaluate {run.path} does it anew."
        )
    parts = [
        f"# Model card: {escaped(run.path.resolve().name)}",
        *_details(run, config, weights, checkpoint),
        "## Intended use",
        _TO_FILL_IN,
        *_training_data(run, config),
        *_evaluation_data(evaluations),
        *_metrics(config, evaluations),
        *_analyses(evaluations),
        *(_calibration(calibration) if calibration else ()),
        "## Ethical considerations",
        _TO_FILL_IN,
        *_limits(run, config, evaluations),
    ]
    return Export({FILE: ("\n\n".join(parts) + "\n").encode()}, state_notes(run))


def escaped(text: object) -> str:
    """A name as text in Markdown, whatever it holds: no markup, no link, no cell of its own."""
    return _SPECIAL.sub(r"\\\g<0>", printable(str(text)))


def _details(
    run: RunDirectory, config: ExperimentConfig, weights: str, checkpoint: "_Checkpoint"
) -> Iterator[str]:
    environment, optimizer, model = run.read_environment(), config.training.optimizer, config.model
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    rate = getattr(optimizer, "lr", None)
    yield "## Model details"
    yield _listed(
        {
            "Task": "relation classification: a sentence with two marked mentions in, one relation out",
            "Network": f"{model.name}, {checkpoint.parameters:,} weights: word embeddings of {model.word_dim} and "
            f"position embeddings of 2 × {model.position_dim}, {model.filters} filters of "
            f"{' and '.join(map(str, model.windows))} tokens",
            "Training": f"{optimizer.name}{f' at {rate:g}' if rate is not None else ''}, loss "
            f"{config.training.loss.name}, batches of {config.training.batch_size}, dropout {model.dropout:g}, "
            f"seed {config.seed}",
            "Weights": f"{weights}, of epoch {checkpoint.epoch} after {checkpoint.updates:,} updates",
            "Made with": f"relclf {environment['relclf']}, Python {environment['python']}, {packages}, on "
            f"{environment['device']}",
        }
    )


@dataclass(frozen=True)
class _Checkpoint:
    """What its header says of a checkpoint."""

    epoch: int
    updates: int
    parameters: int
    """The numbers that training changes."""

    @classmethod
    def of(cls, path: Path) -> "_Checkpoint":
        """Raises UserMistake where it cannot be read."""
        try:
            with safe_open(path, framework="np") as file:
                names = [name for name in file.keys() if name.startswith("model.")]  # noqa: SIM118
                sizes = [math.prod(file.get_slice(name).get_shape()) for name in names]
                records = json.loads(file.metadata()["state"])["records"]
                return cls(len(records), records[-1]["total_updates"], sum(sizes))
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise UserMistake(f"{path}: cut short or corrupted ({error}). The run is incomplete.") from None


def _training_data(run: RunDirectory, config: ExperimentConfig) -> Iterator[str]:
    counts, negative = relation_counts(run)
    total, sha256 = sum(counts.values()), config.data.sha256.train
    yield "## Training data"
    yield _listed(
        {
            "File": f"{escaped(config.data.train.name)} (SHA-256 {sha256})",
            "Sentences": f"{total:,}",
            "Negative relation": escaped(negative) if negative is not None else "not declared",
            "Dev": _dev(run, config),
            "Word vectors": "none, random at the start" if config.encoding.vectors is None else "pretrained",
        }
    )
    rows = ((escaped(name), f"{count:,}", _percent(count / total)) for name, count in counts.items())
    yield _table(("relation", "training sentences", "%"), rows)


def _dev(run: RunDirectory, config: ExperimentConfig) -> str:
    if config.data.all_data or not run.dev_predictions.exists():
        return "none: the network was trained on it too"
    hint = "The run is incomplete: a file was changed."
    sentences = sum(1 for _ in stored_lines(run.dev_predictions, ("id",), hint))
    return f"{sentences:,} sentences, by which the epoch was chosen"


def _evaluation_data(evaluations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Evaluation data"
    rows = (
        (escaped(each["split"]), escaped(_file_name(each["file"])), f"{each['examples']:,}", each["sha256"])
        for each in evaluations
    )
    yield _table(("set", "file", "sentences", "SHA-256 of the file"), rows)
    chosen = [each for each in evaluations if each["split"] == "dev"]
    if chosen:
        yield "The epoch was chosen on dev, so the scores of dev are a little too good."


def _metrics(config: ExperimentConfig, evaluations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Metrics"
    yield (
        f"Scores lie between 0 and 100 %. The intervals are 95 % bootstrap intervals over the sentences "
        f"({config.scoring.bootstrap_samples:,} samples). They say nothing of other seeds: this is one run. The "
        "signature says which score it is; values compare where their signatures are equal."
    )
    signatures = dict.fromkeys(s["signature"] for each in evaluations for s in each["scores"].values())
    yield _code_block(map(printable, signatures))


def _analyses(evaluations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Quantitative analyses"
    for each in evaluations:
        yield f"### {escaped(each['split'])}"
        scores = (
            (escaped(name), _percent(s["value"]), f"{_percent(s['low'])} to {_percent(s['high'])}")
            for name, s in each["scores"].items()
        )
        yield _table(("score", "%", "95 % interval"), scores)
        relations = (
            (escaped(row["relation"]), *(_percent(row[key]) for key in _SHARES), f"{row['support']:,}")
            for row in each["relations"]
        )
        yield _table(("relation", "precision", "recall", "F1", "sentences"), relations)


_SHARES = ("precision", "recall", "f1")


def _calibration(calibration: Calibration) -> Iterator[str]:
    error = calibration.dev["error"]
    yield "### Probabilities"
    yield (
        f"Scores are divided by {calibration.temperature:.3f} before the softmax, fitted on dev. The expected "
        f"calibration error there (15 bins of equal width) is {_percent(error['before']['value'])} % before and "
        f"{_percent(error['after']['value'])} % after (95 % interval {_percent(error['after']['low'])} to "
        f"{_percent(error['after']['high'])}); {_percent(error['after']['by_chance'])} % is what chance alone gives."
    )


def _limits(
    run: RunDirectory, config: ExperimentConfig, evaluations: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """What follows from the facts above."""
    encoding, limits = config.encoding, []
    for each in evaluations:
        few = [row for row in each["relations"] if 0 < row["support"] < FEW]
        if few:
            named = ", ".join(f"{escaped(row['relation'])} ({row['support']})" for row in few)
            limits.append(
                f"In {escaped(each['split'])} the scores of these relations rest on few sentences: {named}."
            )
        for name, count in each.get("unknown_relations", {}).items():
            limits.append(
                f"{escaped(each['split'])} has {count:,} sentences of {escaped(name)}, which train lacks; "
                "the network never predicts it."
            )
    if all(each["split"] == "dev" for each in evaluations):
        limits.append("There is no score on sentences that no choice was made on.")
    counts, _ = relation_counts(run)
    rare = [f"{escaped(name)} ({count})" for name, count in counts.items() if count < FEW]
    if rare:
        limits.append(f"Train has few sentences of these relations: {', '.join(rare)}.")
    limits += [
        "One run with one seed. Another seed gives other scores; by how much, this run cannot say.",
        "The network answers with one of its relations to every sentence, of whatever kind or language.",
        f"The mentions have to be marked. Sentences of more than {encoding.max_length} tokens are "
        + ("refused." if encoding.too_long == "refuse" else "cut around their mentions."),
    ]
    yield "## Caveats and recommendations"
    yield "\n".join(f"- {limit}" for limit in limits)


def _file_name(path: str) -> str:
    """The name alone: where the file lay is nobody's business."""
    return re.split(r"[/\\]", path)[-1]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _listed(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- **{name}:** {fact}" for name, fact in facts.items())


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column is text, the others are numbers or what reads well to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code_block(lines: Iterable[str]) -> str:
    """With a fence longer than any that the lines hold."""
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
