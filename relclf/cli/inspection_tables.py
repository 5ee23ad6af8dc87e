"""What a person sees of an inspection: splits, relations, histograms, baselines, findings, doubtful relations."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from relclf.cli.formatting import percent
from relclf.diagnosis.data_checks import FEW, TOO_FEW
from relclf.diagnosis.inspecting import Inspection, Split
from relclf.diagnosis.linear import LinearBaselines, Suspect
from relclf.diagnosis.report import finding_lines
from relclf.example import Example
from relclf.relations import printable

_MOST_RELATIONS = 60
_BINS = 8
_STYLES = {"problem": "bold red", "watch": "bold yellow"}


def blocks(inspection: Inspection, suspects: int, width: int) -> Iterator[list[Text]]:
    """The blocks of lines, each at most `width` wide but for names that are longer; plain text where piped."""
    yield [Text(line) for line in _split_lines(inspection.splits)]
    if any(split.summary.relations for split in inspection.splits):
        yield list(_relation_lines(inspection.splits))
    if any(split.summary.untyped < split.summary.count for split in inspection.splits):
        yield list(_type_lines(inspection.splits))
    yield [Text(line) for line in _histogram_lines(inspection.splits[0])]
    if inspection.baselines:
        yield [Text(line) for line in _baseline_lines(inspection.baselines)]
        listed = inspection.baselines.suspects[:suspects]
        if listed:
            yield [Text(line) for line in _suspect_lines(listed, width)]
    if inspection.findings:
        yield [
            Text(line, _STYLES.get(line.split(" ", 1)[0], ""))
            for line in finding_lines(inspection.findings, width=min(width, 100) - 2)
        ]


def _split_lines(splits: Sequence[Split]) -> Iterator[str]:
    """The files, then a row a split: its size, lengths, distances, and what the encoding makes of it."""
    for split in splits:
        yield f"{split.name:7}{printable(split.file)}"
    yield ""
    yield f"{'':16}{'tokens a sentence':>20}{'between mentions':>18}{'unknown':>11}{'clipped':>8}{'head':>6}"
    yield (
        f"{'split':5}{'sentences':>11}{'mean':>8}{'95 %':>6}{'max':>6}{'50 %':>6}{'95 %':>6}{'max':>6}"
        f"{'words %':>11}{'pos. %':>8}{'1st %':>6}"
    )
    for split in splits:
        lengths, distances = split.summary.lengths, split.summary.distances
        yield (
            f"{split.name:5}{split.summary.count:>11,}{split.summary.mean_length:>8.1f}{lengths.p95:>6,}"
            f"{lengths.max:>6,}{distances.p50:>6,}{distances.p95:>6,}{distances.max:>6,}"
            f"{percent(split.unknown):>11}{percent(split.clipped):>8}{percent(split.summary.head_first):>6}"
        )


def _relation_lines(splits: Sequence[Split]) -> Iterator[Text]:
    """A row a relation with its sentences in each split, the most frequent in train first; rare ones coloured."""
    counts = [split.summary.relations for split in splits]
    names = list(dict.fromkeys(name for split in counts for name in split))
    width = max(len("relation"), *(cell_len(printable(name)) for name in names[:_MOST_RELATIONS]))
    yield Text(f"{'relation':{width}}" + "".join(f"{split.name:>9}{'%':>7}" for split in splits), "bold")
    for name in names[:_MOST_RELATIONS]:
        row = Text(set_cell_size(printable(name), width))
        for split, of in zip(splits, counts, strict=True):
            row.append(f"{of.get(name, 0):>9,}{percent(of.get(name, 0) / max(1, sum(of.values()))):>7}")
            if split.name == "train" and of.get(name, 0) < FEW:
                row.stylize("red" if of.get(name, 0) < TOO_FEW else "yellow")
        if counts[0].get(name, 0) < FEW:
            row.append("  too few" if counts[0].get(name, 0) < TOO_FEW else "  few")
        yield row
    if len(names) > _MOST_RELATIONS:
        yield Text(f"and {len(names) - _MOST_RELATIONS:,} rarer ones")


def _type_lines(splits: Sequence[Split]) -> Iterator[Text]:
    """A row a type of mentions with the heads and tails of it in each split, the most frequent first."""
    counts = [of for split in splits for of in (split.summary.head_types, split.summary.tail_types)]
    total = Counter[str]()
    for of in counts:
        total.update(of)
    names = [name for name, _ in total.most_common(_MOST_RELATIONS)]
    title = "type of mention"
    width = max(map(cell_len, [title, *map(printable, names)]))
    heads = "".join(f"{f'{split.name} head':>12}{'tail':>8}" for split in splits)
    yield Text(f"{title:{width}}{heads}", "bold")
    for name in names:
        numbers = "".join(f"{of.get(name, 0):>{8 if place % 2 else 12},}" for place, of in enumerate(counts))
        yield Text(set_cell_size(printable(name), width) + numbers)
    if len(total) > len(names):
        yield Text(f"and {len(total) - len(names):,} rarer ones")
    for split in splits:
        if count := split.summary.untyped:
            sentences = "1 sentence" if count == 1 else f"{count:,} sentences"
            yield Text(f"{split.name}: {sentences} with a mention of no type")


def _histogram_lines(split: Split) -> Iterator[str]:
    """Sentence lengths and distances between the mentions side by side, in % of the sentences."""
    left = _bars(split.lengths, split.summary.lengths.p99)
    right = _bars(split.distances, split.summary.distances.p99)
    yield f"{f'tokens a sentence, % of {split.name}':40}tokens between the mentions, % of {split.name}"
    for a, b in zip(left, right, strict=True):
        yield f"{a:<40}{b}".rstrip()


def _bars(counts: Mapping[int, int], reach: int) -> list[str]:
    """A line a bin of equal widths, the last one open; `reach` lies in the last but one."""
    step = max(1, math.ceil((reach + 1) / (_BINS - 1)))
    shares = [0.0] * _BINS
    total = sum(counts.values())
    for value, count in counts.items():
        shares[min(value // step, _BINS - 1)] += count / total
    most = max(shares)
    lines = []
    for index, share in enumerate(shares):
        low, high = index * step, (index + 1) * step - 1
        label = f"{low}+" if index == _BINS - 1 else f"{low}-{high}" if step > 1 else f"{low}"
        lines.append(f"{label:>9} {percent(share):>5} {'█' * round(18 * share / most)}")
    return lines


def _baseline_lines(baselines: LinearBaselines) -> Iterator[str]:
    where = "a held-out fifth" if baselines.held_out else "dev"
    yield f"{'linear baseline':34}{'macro-F1 on ' + where:>28}"
    for row in baselines.rows:
        yield f"{row.name:34}{percent(row.score.macro_f1):>20} ±{percent(row.score.se)}"
    if baselines.sampled:
        yield f"fitted on {baselines.sentences:,} sentences, drawn at random"


def _suspect_lines(suspects: Sequence[Suspect], width: int) -> Iterator[str]:
    """Where each stands, what is doubted, then its text with both mentions marked."""
    yield "relations that look most wrong (probabilities out of fold; [head], {tail})"
    indent = " " * 4
    for suspect in suspects:
        given = f"{printable(str(suspect.example.relation))} {percent(suspect.given_probability)} %"
        yield suspect.example.source
        yield f"{indent}{given}, rather {printable(suspect.likely)} {percent(suspect.probability)} %"
        yield from textwrap.wrap(
            _marked_text(suspect.example),
            max(40, min(width, 100) - 1),
            initial_indent=indent,
            subsequent_indent=indent,
            max_lines=3,
            placeholder=" …",
        )


def _marked_text(example: Example) -> str:
    """The tokens from a little before the first mention on."""
    words = [printable(token) for token in example.tokens]
    for span, (opening, closing) in ((example.head, "[]"), (example.tail, "{}")):
        words[span.start] = opening + words[span.start]
        words[span.end - 1] += closing
    start = max(0, min(example.head.start, example.tail.start) - 5)
    return ("… " if start else "") + " ".join(words[start:])
