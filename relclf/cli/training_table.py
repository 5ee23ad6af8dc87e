"""What a person sees of a training: the header, one row an epoch, and the closing block."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from relclf.cli.formatting import loss, norm, percent, shell_path, short_count, small, sparkline
from relclf.cli.terminal_chart import run_chart
from relclf.config.schema import ExperimentConfig
from relclf.relations import printable
from relclf.runs.records import EpochRecord, best_record, reached_95
from relclf.training.backtracking import Backtracking
from relclf.training.checkpoint import TrainingState
from relclf.training.experiment import Experiment
from relclf.training.optimizers import depends_on_length
from relclf.training.stopping import StopReason, stop_sentence

_COLUMN_OF_ITS_OWN = ("accuracy", "macro_f1_positive", "micro_f1_positive", "semeval2010", "nll")
_TITLES = {
    "accuracy": "dev accuracy",
    "macro_f1_positive": "dev F1 positive",
    "micro_f1_positive": "dev uF1 positive",
    "semeval2010": "dev official F1",
    "nll": "dev nll",
}
_SHORT_NAMES = {
    "accuracy": "acc.",
    "macro_f1_positive": "F1 pos",
    "micro_f1_positive": "uF1pos",
    "semeval2010": "offic.",
    "nll": "nll",
}


class TrainingTable:
    """Prints a training as it goes, on one console."""

    def __init__(self, console: Console, experiment: Experiment) -> None:
        self._console = console
        self._experiment = experiment
        self._config = experiment.inputs.config
        monitor = self._config.training.monitor
        self._monitor = monitor if monitor in _COLUMN_OF_ITS_OWN and experiment.inputs.dev else None

    def header(self) -> None:
        """Three lines: the run, the data, the network; then the column titles."""
        for line in header_lines(self._experiment):
            self._console.print(Text(line))
        for note in self._experiment.notes:
            self._console.print(Text(f"note   {note}", "yellow"))
        if resumed := _resumed(self._experiment.state):
            self._console.print(Text(resumed))
        self._console.print()
        monitor = f"{_SHORT_NAMES[self._monitor]:>7}" if self._monitor else ""
        above = f"{'':5}{'updates':>9}{'loss':>10}{'':3}{'macro-F1':>13}{'':5}{'':{len(monitor)}}"
        self._console.print(Text(f"{above}{'rate':>7}{'|g|':>6}{'dw/w':>7}{'sent/s':>8}", "bold"))
        below = f"{'epoch':>5}{'':9}{'train':>6}{'dev':>7}{'train':>6}{'dev':>6}{'':6}{monitor}"
        self._console.print(Text(below, "bold"))

    def row(self, records: Sequence[EpochRecord]) -> None:
        """The row of the last record; a star where it is the best so far."""
        record = records[-1]
        best = best_record(records, self._config.training.monitor, self._experiment.state.best_from)
        mark = "*" if best is record and self._experiment.inputs.dev else " "
        few = self._few_updates(record)
        error = f" ±{percent(record.dev_macro_f1_se)}" if record.dev_macro_f1_se is not None else ""
        text = Text()
        text.append(f"{mark}{record.epoch:>4}", "bold green" if mark == "*" else "")
        text.append(f"{f'{record.updates}/{record.batches}':>9}", "bold red" if few else "")
        text.append(f"{loss(record.train_loss):>6}{loss(record.dev_loss):>7}")
        text.append(f"{percent(record.train_macro_f1):>6}{percent(record.dev_macro_f1):>6}{error:<6}")
        if self._monitor:
            text.append(f"{self._monitored(record):>7}")
        text.append(
            f"{small(record.learning_rate):>7}{norm(record.gradient_norm):>6}{small(record.update_ratio):>7}"
        )
        text.append(f"{short_count(record.sentences_per_second):>8}")
        self._console.print(text)
        if few and record.epoch == 1:
            self._console.print(
                Text(
                    f"  1 update for {record.batches} batches: the network learns once an epoch\n"
                    f"  (update_every: {self._config.training.update_every}). Reason enough to learn slowly.",
                    "red",
                )
            )

    def closing(self, reason: StopReason) -> None:
        """Why it ended, best and last side by side, how fast it came, what to type next."""
        records = self._experiment.state.records
        training = self._config.training
        self._console.print(Text(stop_sentence(reason, len(records), training)))
        best = best_record(records, training.monitor, self._experiment.state.best_from)
        if best is None:
            return
        self._console.print()
        if self._experiment.inputs.dev is not None:
            self._best_and_last(best, records)
        if isinstance(optimizer := self._experiment.state.optimizer, Backtracking):
            self._console.print(Text(_searches(optimizer)))
        run = shell_path(self._experiment.run.path)
        for hint in _hints(records, best, reason, self._config, run):
            self._console.print(Text(hint, "yellow"))
        self._console.print(Text(f"\nnext: relclf evaluate {run}", "bold"))

    def _monitored(self, record: EpochRecord) -> str:
        return loss(record.monitored) if self._monitor == "nll" else percent(record.monitored)

    def _few_updates(self, record: EpochRecord) -> bool:
        return record.updates == 1 and record.batches > 1

    def _best_and_last(self, best: EpochRecord, records: Sequence[EpochRecord]) -> None:
        last = records[-1]
        monitored = f"   {_TITLES[self._monitor]}" if self._monitor else ""
        self._console.print(
            Text(f"{'':9}{'epoch':>6}{'dev loss':>11}{'dev macro-F1':>15}{monitored}", "bold")
        )
        for name, record, remark in (("best", best, "kept"), ("last", last, _last_remark(best, last))):
            text = f"{name:9}{record.epoch:>6}{loss(record.dev_loss):>11}"
            text += f"{percent(record.dev_macro_f1):>9} ±{percent(record.dev_macro_f1_se):<4}"
            if self._monitor:
                text += f"   {self._monitored(record):>{len(_TITLES[self._monitor])}}"
            self._console.print(Text(f"{text}   {remark}"))
        at_95 = reached_95(records)
        if at_95 is not None:
            self._console.print(
                Text(
                    f"95 % of the best macro-F1 was reached at epoch {at_95.epoch}, "
                    f"after {at_95.total_updates:,} updates"
                )
            )
        scores = [record.dev_macro_f1 for record in records if record.dev_macro_f1 is not None]
        losses = [record.dev_loss for record in records if record.dev_loss is not None]
        width = 32 if self._console.width < 100 else 48
        self._console.print(
            Text(f"macro-F1 {sparkline(scores, width)}   dev loss {sparkline(losses, width)}", no_wrap=True)
        )
        self._console.print(
            Text("train macro-F1: of the epoch's own predictions, with dropout, weights moving", "dim")
        )


def curves(experiment: Experiment, console: Console, most_lines: int | None = None) -> list[Text]:
    """Loss and macro-F1 of the epochs so far, as lines that fit the console."""
    records = experiment.state.records
    best = best_record(records, experiment.inputs.config.training.monitor, experiment.state.best_from)
    return run_chart(records, best if experiment.inputs.dev else None, console, most_lines)


def header_lines(experiment: Experiment) -> list[str]:
    """The run, the data, the network."""
    config, inputs = experiment.inputs.config, experiment.inputs
    device = f"{experiment.device}"
    if experiment.device.type == "cpu":
        device += f", {experiment.threads} thread{'s' if experiment.threads > 1 else ''}"
    dev = f"{len(inputs.dev.ids):,} dev" if inputs.dev else "train and dev together"
    negative = f", {printable(inputs.relations.negative)} negative" if inputs.relations.negative else ""
    vocabulary = f"{len(experiment.network.vocabulary.words):,} words"
    model = config.model
    width = f"{model.word_dim} + 2x{model.position_dim}" if model.position_dim else f"{model.word_dim}"
    windows = ", ".join(str(window) for window in model.windows)
    beside = " + mentions" if model.mention_features else ""
    hidden = f" -> {model.hidden} hidden" if model.hidden else ""
    parameters = sum(parameter.numel() for parameter in experiment.state.model.parameters())
    return [
        f"relclf train · seed {config.seed} · {device} · {experiment.run.path}",
        f"data   {len(inputs.train):,} train · {dev} · {len(inputs.relations)} relations{negative} · "
        f"{vocabulary}",
        *_vector_lines(experiment),
        f"model  {model.name} {width} -> {model.filters} filters of {windows}{beside}{hidden} -> "
        f"{len(inputs.relations)} · "
        f"{parameters:,} parameters",
    ]


def _vector_lines(experiment: Experiment) -> list[str]:
    """How many words of train have vectors, how they were found, and where later ones will be looked up."""
    use = experiment.network.vector_use
    if use is None:
        return []
    ways = ", ".join(f"{count:,} {name}" for name, count in use.matches.items())
    encoding = experiment.inputs.config.encoding
    kept = "packed in the run" if encoding.pack_vectors else "kept by reference"
    spelled = " · n-grams for the others" if encoding.missing_vectors == "ngrams" else ""
    twice = f" · {use.duplicates:,} twice in the file, the first counts" if use.duplicates else ""
    return [
        f"words  {use.found:,} of {use.words:,} have vectors, {percent(use.coverage)} % of tokens"
        f"{f' ({ways})' if ways else ''}{twice}{spelled} · {kept}"
    ]


def _resumed(state: TrainingState) -> str:
    """Where a resumed training stands; empty for a new one."""
    inside = f", inside epoch {state.progress.epoch}" if state.progress else ""
    if not state.records:
        return f"resumed{inside}" if inside else ""
    return f"resumed after epoch {len(state.records)}{inside}; the rows before are in records.jsonl"


def _searches(optimizer: Backtracking) -> str:
    """What the line search has cost, and how often it found no step."""
    group = optimizer.param_groups[0]
    searches = max(1, group["searches"])
    found = "each found a step" if not group["failures"] else f"{group['failures']:,} found no step"
    return f"{group['searches']:,} line searches: {group['forwards'] / searches:.1f} forward passes each; {found}"


def _last_remark(best: EpochRecord, last: EpochRecord) -> str:
    if best.epoch == last.epoch:
        return "the best"
    if None in (best.dev_macro_f1, last.dev_macro_f1, best.dev_macro_f1_se):
        return ""
    gap = (best.dev_macro_f1 or 0) - (last.dev_macro_f1 or 0)
    return "within the noise of the best" if gap <= (best.dev_macro_f1_se or 0) else ""


def _hints(
    records: Sequence[EpochRecord], best: EpochRecord, reason: StopReason, config: ExperimentConfig, run: str
) -> list[str]:
    """Advice that follows from where the best epoch lies; at least ten epochs are needed to say so."""
    epochs = len(records)
    if epochs < 10 or config.data.all_data:
        return []
    where = f"hint: the best epoch is {best.epoch} of {epochs}"
    if best.epoch <= 0.1 * epochs:
        advice = "more dropout, a smaller training.optimizer.lr, or fewer filters."
        return [f"{where}, in the first tenth: it over-fits early.", f"      Try {advice}"]
    if reason not in ("max_epochs", "budget") or best.epoch <= 0.75 * epochs:
        return []
    if reason == "budget":
        budget = "max_updates" if config.training.max_seconds is None else "max_seconds"
        return [f"{where}: it was still improving. Raise training.{budget}."]
    longer = f"--set training.max_epochs={2 * config.training.max_epochs}"
    if depends_on_length(config.training.schedule):
        return [f"{where}: it may still improve. Train a new run with", f"      {longer}"]
    return [f"{where}: it may still improve.", f"      relclf train --resume {run} {longer}"]
