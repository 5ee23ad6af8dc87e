"""What examples alone show: spans, order of the mentions, leaks, rare relations, duplicates, unknown words."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from relclf.config.schema import EncodingConfig
from relclf.diagnosis.findings import Finding, Severity
from relclf.diagnosis.linear import ENOUGH, EXPECTED, RELATED, LinearBaselines
from relclf.encoding.vocabulary import FIRST_WORD_ID, Vocabulary
from relclf.example import Example, MentionSpan
from relclf.relations import printable

Splits = Mapping[str, Sequence[Example]]
"""Examples with relations by the name of their split: train, and where there are any, dev and test."""

FEW, TOO_FEW = 50, 20
"""Sentences of a relation in train: spaCy's `debug data` asks for 50 of a new label, 20 of a dependency label."""
LEAK_PROBLEM, LEAK_WATCH = 0.1, 0.05
"""Share of dev that train has too; it bounds what learning by heart adds to accuracy. SemEval-2010's test has 0.6 %,
a random tenth of FewRel's Wikipedia part 1.8 %, of DBpediaRelations-PT 2.0 %."""
SAME_SENTENCE = 0.25
"""Share of dev whose sentence train has with other mentions; EU-ADR split by row has most, by sentence none."""
CUT_PROBLEM, CUT_WATCH = 0.05, 0.01
"""Share of a split's mentions that cut a word; SemEval-2010 Task 8 has 7 of 21,434, RELX at most 3 of 1,002."""
FEWEST_CUTS = 5
"""Cut words that are more than an accident."""
CONFLICTS, REPEATED = 0.02, 0.1
"""Shares of train that contradict a duplicate (ChemProt, with two relations for some pairs, 1.2 %), and that repeat."""
MARGIN, DEVIATIONS = 0.1, 4.0
"""A share of dev differs where it lies this far from train's, and this many standard errors."""
UNKNOWN_MORE, UNKNOWN_MOST = 0.15, 0.5
"""Unknown tokens of dev above what train's own sentences would show; at half no model can read dev."""
SAME_PLACE = 0.95
"""Share of train with a mention at one place; quickstart, SemEval-2010, SciERC and EU-ADR have at most 36 %."""
UNSEEN = 0.05
"""Share of dev with relations that train lacks, so that it counts as wrong whatever is learned."""
DOUBTED = 0.02
"""Share of train clearly doubted. Quickstart, with 3 % of its relations exchanged, has 1.2 %; SemEval-2010 0.1 %."""
SHIFTED = 0.85
"""AUC of a linear model between train and dev: random splits 0.5, quickstart's new names 0.80, another corpus 0.93."""


def data_findings(
    splits: Splits, encoding: EncodingConfig, vector_words: Collection[str] = ()
) -> list[Finding]:
    """What each check finds in the splits; a check that cannot look (no dev, no offsets) finds nothing.

    `splits` has examples with relations, not cut to `encoding.max_length`; `vector_words` are known besides train's.
    """
    return [
        *_spans(splits),
        *_order(splits),
        *_places(splits["train"]),
        *_length(splits, encoding),
        *_dev_in_train(splits, encoding),
        *_one_split(splits),
        *_few_examples(splits),
        *_duplicates(splits["train"], encoding),
        *_unknown_words(splits, encoding, vector_words),
    ]


def linear_findings(baselines: LinearBaselines) -> list[Finding]:
    """What the linear baselines say of the sentences, of dev's order and names, and of single relations."""
    return [*_informative(baselines), *_dev_fits(baselines), _doubted(baselines)]


def drift_finding(auc: tuple[float, float]) -> Finding:
    """What it means that a linear model tells dev from train with this AUC and standard error."""
    low, high = auc[0] - 1.96 * auc[1], auc[0] + 1.96 * auc[1]
    return Finding(
        "watch" if low > SHIFTED else "ok",
        "splits-differ",
        f"a linear model tells dev from train with an AUC of {auc[0]:.2f} (95 % interval {low:.2f} to {high:.2f})",
        f"0.5 for a random split; up to {SHIFTED} where dev only has other names",
        "dev asks for something else than train teaches, so the dev score says little of train's kind of sentence",
        "compare some sentences of both; to judge by train's kind, --set data.dev=0.1",
    )


def known_words(
    train: Sequence[Example], encoding: EncodingConfig, vector_words: Collection[str] = ()
) -> Vocabulary:
    """The vocabulary that training would make of these examples."""
    return Vocabulary.build(
        train,
        min_count=encoding.min_count,
        lowercase=encoding.lowercase,
        fold_digits=encoding.fold_digits,
        vector_words=tuple(vector_words),
        freeze_vectors=encoding.freeze_vectors,
    )


def unknown_share(examples: Iterable[Example], vocabulary: Vocabulary) -> float:
    """Share of the tokens that are no word of the vocabulary."""
    known = set(vocabulary.words)
    counts = Counter(token for example in examples for token in example.tokens)
    unknown = sum(count for token, count in counts.items() if vocabulary.normalise(token) not in known)
    return unknown / counts.total()


def clipped_share(examples: Iterable[Example], max_distance: int) -> float:
    """Share of the relative positions, two a token, that are clipped to ±max_distance."""
    clipped = total = 0
    for example in examples:
        length = len(example.tokens)
        total += 2 * length
        for span in (example.head, example.tail):
            clipped += max(0, span.start - max_distance) + max(0, length - span.end - max_distance)
    return clipped / total


def _spans(splits: Splits) -> Iterator[Finding]:
    """Mentions that begin or end inside a word, where text or word pieces show it."""
    cut = {name: list(_cut_mentions(examples)) for name, examples in splits.items()}
    shown = {name: _shown_mentions(examples) for name, examples in splits.items()}
    total, found = sum(shown.values()), [piece for pieces in cut.values() for piece in pieces]
    if not total:
        return
    share = max(len(cut[name]) / count for name, count in shown.items() if count)
    shifted = _off_by_one(cut, shown)
    severity: Severity = "ok"
    if share >= CUT_WATCH and len(found) >= FEWEST_CUTS:
        severity = "problem" if share >= CUT_PROBLEM and not shifted else "watch"
    example = f", first {found[0][1]} in {found[0][0].source}" if found else ""
    yield Finding(
        severity,
        "spans-misaligned",
        f"{len(found):,} of {total:,} mentions cut a word ({_percent(len(found) / total)}){example}"
        + (", all by one character at the same end" if shifted else ""),
        f"under {100 * CUT_WATCH:.0f} %; SemEval-2010 Task 8 has 0.03 %",
        "the pieces of a cut word are other words to the network than the word itself",
        "check how spans are counted: characters from 0, the end is the first place after the mention"
        " (docs/formats.md)",
    )


Cut = tuple[Example, str, tuple[str, int]]
"""The example, the word shown with | at the cut, and (which end, letters left outside)."""


def _cut_mentions(examples: Iterable[Example]) -> Iterator[Cut]:
    for example in examples:
        for span in (example.head, example.tail):
            ends = [end for end in ("start", "end") if _cuts(example, span, end)]
            if ends:
                edge = span.start if ends[0] == "start" else span.end
                left, right = _piece(example.tokens[edge - 1]), _piece(example.tokens[edge])
                outside = len(left if ends[0] == "start" else right)
                yield example, f"{left}|{right}", ("both" if len(ends) == 2 else ends[0], outside)


def _cuts(example: Example, span: MentionSpan, end: str) -> bool:
    """Whether a mention's end lies inside a word; only scripts with cases and digits are judged.

    They set words apart with blanks, where Chinese or Thai have none, and Arabic or Hebrew write prefixes on.
    """
    edge = span.start if end == "start" else span.end
    if not 0 < edge < len(example.tokens):
        return False
    before, after = example.tokens[edge - 1], example.tokens[edge]
    if example.offsets is None:
        return _continues(after)
    touch = example.offsets[edge - 1][1] == example.offsets[edge][0]
    return touch and _in_a_word(before[-1]) and _in_a_word(after[0])


def _in_a_word(character: str) -> bool:
    return character.isdigit() or character.lower() != character.upper()


def _continues(token: str) -> bool:
    """Whether a token is WordPiece's continuation of the one before."""
    return token.startswith("##") and len(token) > 2


def _piece(token: str) -> str:
    return token[2:] if _continues(token) else token


def _shown_mentions(examples: Sequence[Example]) -> int:
    """Mentions of which one can tell whether they cut a word."""
    pieces = any(_continues(token) for example in examples for token in example.tokens)
    return 2 * sum(pieces or example.offsets is not None for example in examples)


def _off_by_one(cut: Mapping[str, Sequence[Cut]], shown: Mapping[str, int]) -> bool:
    """Whether nearly every mention of every split lacks one letter at the same end.

    Such fragments are the same in all sentences, so that a network learns them as well as words.
    """
    kinds = Counter(kind for pieces in cut.values() for _, _, kind in pieces)
    if not kinds:
        return False
    (end, outside), most = kinds.most_common(1)[0]
    everywhere = all(len(cut[name]) >= 0.8 * count for name, count in shown.items())
    return end != "both" and outside == 1 and most >= 0.95 * kinds.total() and everywhere


def _order(splits: Splits) -> Iterator[Finding]:
    """Head before tail: the share in train against that in dev."""
    if not splits.get("dev"):
        return
    train, dev = _head_first(splits["train"]), _head_first(splits["dev"])
    sizes = len(splits["train"]), len(splits["dev"])
    pooled = (train * sizes[0] + dev * sizes[1]) / sum(sizes)
    error = (max(pooled * (1 - pooled), 1 / sum(sizes)) * (1 / sizes[0] + 1 / sizes[1])) ** 0.5
    differs = abs(dev - train) > max(MARGIN, DEVIATIONS * error)
    mirrored = abs(train - 0.5) >= 0.2 and abs(dev - (1 - train)) < abs(dev - train) / 4
    yield Finding(
        ("problem" if mirrored else "watch") if differs else "ok",
        "mentions-swapped",
        f"the head stands first in {100 * train:.1f} % of train and {100 * dev:.1f} % of dev",
        f"shares within {100 * MARGIN:.0f} points, or {DEVIATIONS:.0f} standard errors of a two-proportion test",
        "a network that learned head from tail by their order reads dev the wrong way round",
        f"compare head and tail of {splits['dev'][0].source} with what they are in train",
    )


def _head_first(examples: Sequence[Example]) -> float:
    return sum(example.head.start < example.tail.start for example in examples) / len(examples)


def _places(train: Sequence[Example]) -> Iterator[Finding]:
    """Whether both mentions stand at the same places, from the start or from the end, in nearly every sentence."""
    same = []
    for name in ("head", "tail"):
        starts = Counter(getattr(example, name).start for example in train)
        ends = Counter(len(example.tokens) - getattr(example, name).end for example in train)
        same.append(max(count for _, count in (*starts.most_common(1), *ends.most_common(1))) / len(train))
    lengths = {len(example.tokens) for example in train}
    fixed = min(same) >= SAME_PLACE and len(lengths) > 1
    yield Finding(
        "watch" if fixed else "ok",
        "positions-unused",
        f"the head stands at one and the same place of {100 * same[0]:.0f} % of train's sentences, the tail of "
        f"{100 * same[1]:.0f} %",
        f"under {100 * SAME_PLACE:.0f} % for one of them: sentences have their mentions at many places",
        "places that are the same in every sentence do not tell which words the relation is between"
        if fixed
        else "the places of the mentions differ",
        "check where the data say that the mentions stand" if fixed else "none",
    )


def _length(splits: Splits, encoding: EncodingConfig) -> Iterator[Finding]:
    """Sentences longer than max_length, and those whose mentions no window of it can hold."""
    everything = [example for examples in splits.values() for example in examples]
    longer = [example for example in everything if len(example.tokens) > encoding.max_length]
    lost = [example for example in longer if _extent(example) > encoding.max_length]
    refused = longer if encoding.too_long == "refuse" else lost
    longest = max(len(example.tokens) for example in everything)
    clipped = clipped_share(everything, encoding.max_distance)
    yield Finding(
        "problem" if lost else "watch" if refused else "ok",
        "mentions-truncated",
        f"{len(longer):,} of {len(everything):,} sentences longer than {encoding.max_length} tokens"
        + (f" (first {longer[0].source})" if longer else "")
        + f", {len(lost):,} lose a mention; {_percent(clipped)} of positions clipped at ±{encoding.max_distance}",
        "every mention kept",
        "training refuses a sentence that is too long, or whose mentions no window can hold"
        if refused
        else "a sentence that has lost a mention cannot tell its relation",
        f"--set encoding.max_length={longest if encoding.too_long == 'refuse' else max(map(_extent, everything))}",
    )


def _extent(example: Example) -> int:
    """Tokens from the first mention to the end of the second."""
    return max(example.head.end, example.tail.end) - min(example.head.start, example.tail.start)


def _dev_in_train(splits: Splits, encoding: EncodingConfig) -> Iterator[Finding]:
    """Dev sentences that train has with the same mentions, or with others."""
    dev = splits.get("dev")
    if not dev:
        return
    words = _reading(encoding)
    marked = {_marked(example, words) for example in splits["train"]}
    sentences = {words(example) for example in splits["train"]}
    same = [example for example in dev if _marked(example, words) in marked]
    text = sum(words(example) in sentences for example in dev)
    share = len(same) / len(dev)
    severity: Severity = "ok"
    if len(same) >= 5 and share >= LEAK_PROBLEM:
        severity = "problem"
    elif (len(same) >= 5 and share >= LEAK_WATCH) or (text - len(same)) / len(dev) >= SAME_SENTENCE:
        severity = "watch"
    yield Finding(
        severity,
        "dev-in-train",
        f"{len(same):,} of {len(dev):,} dev sentences are in train too ({_percent(share)})"
        + (f", first {same[0].source}" if same else "")
        + (f"; {text - len(same):,} more with other mentions" if text > len(same) else ""),
        f"under {100 * LEAK_WATCH:.0f} % (Elangovan et al. 2021); SemEval-2010 Task 8's test has 0.6 %",
        "the dev score rewards learning sentences by heart, so it picks the epoch too late and promises too much",
        "split by sentence, not by row, and take each sentence into one file only"
        if severity != "problem"
        else "take the repeated sentences out of train, or name another data.dev",
    )


def _one_split(splits: Splits) -> Iterator[Finding]:
    """Relations that train lacks, or that train has and dev, though large enough, has not."""
    train = Counter(str(example.relation) for example in splits["train"])
    others = {name: Counter(str(e.relation) for e in splits[name]) for name in splits if name != "train"}
    if not others:
        return
    unseen = {
        name: {relation: count for relation, count in counts.items() if relation not in train}
        for name, counts in others.items()
    }
    dev = others.get("dev", Counter[str]())
    share = sum(unseen.get("dev", {}).values()) / max(1, dev.total())
    missing = [
        relation for relation, count in train.items() if dev and not dev[relation]
        and count / train.total() * dev.total() >= 5
    ]  # fmt: skip
    parts = [
        f"{name} has {_listed(found)} that train lacks ({sum(found.values()):,} sentences)"
        for name, found in unseen.items()
        if found
    ]
    if missing:
        parts.append(f"dev has none of {_listed(missing)}")
    yield Finding(
        "problem" if share >= UNSEEN else "watch" if parts else "ok",
        "relation-in-one-split",
        "; ".join(parts) or f"no relation of {' or '.join(others)} is unknown to train",
        "each relation of dev in train, and those of train in dev where five or more are to be expected",
        "a relation that train lacks always counts as wrong, and one that dev lacks is never judged",
        "check the spelling of the relations, or split again: --set data.dev=0.1",
    )


def _few_examples(splits: Splits) -> Iterator[Finding]:
    """Relations with few sentences in train, and what one dev sentence of the rarest is worth."""
    train = Counter(str(example.relation) for example in splits["train"])
    too_few = [relation for relation, count in train.items() if count < TOO_FEW]
    few = sum(TOO_FEW <= count < FEW for count in train.values())
    rarest, least = min(train.items(), key=lambda pair: (pair[1], pair[0]))
    worth = ""
    if splits.get("dev"):
        dev = Counter(str(example.relation) for example in splits["dev"])
        rare, count = min(dev.items(), key=lambda pair: (pair[1], pair[0]))
        worth = f"; one dev sentence of {printable(rare)} is worth {100 / (len(dev) * count):.2g} points of macro-F1"
    yield Finding(
        "watch" if too_few else "ok",
        "few-examples",
        f"{len(too_few)} of {len(train)} relations have under {TOO_FEW} sentences in train, {few} more under {FEW}"
        f"; fewest {printable(rarest)} with {least:,}{worth}",
        f"{FEW} or more, at the least {TOO_FEW} (spaCy's `debug data`)",
        "so few sentences teach a relation badly, and macro-F1 counts it as much as every other",
        "collect more of them, or merge or leave out the relation; training.imbalance has remedies (docs/training.md)",
    )


def _duplicates(train: Sequence[Example], encoding: EncodingConfig) -> Iterator[Finding]:
    """Sentences of train that the network cannot tell apart; those of different relations first."""
    words = _reading(encoding)
    groups: defaultdict[Hashable, list[Example]] = defaultdict(list)
    for example in train:
        groups[_marked(example, words)].append(example)
    repeated = [group for group in groups.values() if len(group) > 1]
    conflicts = [group for group in repeated if len({example.relation for example in group}) > 1]
    extra = sum(len(group) - 1 for group in repeated)
    contradicting = sum(map(len, conflicts))
    near = len(groups) - len({_loosely(example) for example in train})
    first = (conflicts or repeated or [[]])[0]
    where = f", first {' and '.join(example.source for example in first[:2])}" if first else ""
    severity: Severity = (
        "watch" if contradicting >= CONFLICTS * len(train) or extra >= REPEATED * len(train) else "ok"
    )
    yield Finding(
        severity,
        "duplicates",
        f"{contradicting:,} of {len(train):,} train sentences contradict a duplicate, {extra:,} repeat one{where}; "
        f"{max(0, near):,} more are nearly the same",
        f"under {100 * CONFLICTS:.0f} % that contradict and {100 * REPEATED:.0f} % that repeat",
        "of two equal sentences with different relations one counts as wrong whatever is learned",
        "decide which relation is right, and keep one of each" + (f": {first[0].source}" if first else ""),
    )


def _unknown_words(
    splits: Splits, encoding: EncodingConfig, vector_words: Collection[str]
) -> Iterator[Finding]:
    """Unknown tokens of dev against what a sentence of train would show, were it not in train."""
    if not splits.get("dev"):
        return
    vocabulary = known_words(splits["train"], encoding, vector_words)
    expected = _unknown_if_left_out(splits["train"], encoding, vector_words)
    dev = unknown_share(splits["dev"], vocabulary)
    more = dev - expected >= UNKNOWN_MORE
    own = unknown_share(splits["train"], vocabulary)
    left_out = (
        own >= UNKNOWN_MOST
    )  # which no tokens of train are but for min_count, or for vectors that are frozen
    yield Finding(
        "problem" if left_out or (more and dev >= UNKNOWN_MOST) else "watch" if more else "ok",
        "unknown-words",
        f"{100 * dev:.1f} % of dev's tokens are unknown words; of train's own, were each sentence left out, "
        f"{100 * expected:.1f} %" + (f"; train itself has {100 * own:.1f} %" if own else ""),
        f"dev at most {100 * UNKNOWN_MORE:.0f} points above train's own, train itself under {100 * UNKNOWN_MOST:.0f} %",
        "the network reads every unknown word as the same one",
        "--set encoding.min_count=1"
        if left_out and encoding.min_count > 1
        else "check that dev is written and tokenised like train; encoding.vectors brings words that train lacks",
    )


def _unknown_if_left_out(
    train: Sequence[Example], encoding: EncodingConfig, vector_words: Collection[str]
) -> float:
    """Share of train's tokens that would be unknown if their own sentence were not in train."""
    words = _reading(encoding)
    sentences = list({words(example): None for example in train})
    counts = Counter(word for sentence in sentences for word in sentence)
    in_file = set(vector_words)
    unknown = total = 0
    for sentence in sentences:
        total += len(sentence)
        for word, own in Counter(sentence).items():
            if counts[word] - own < encoding.min_count and word not in in_file:
                unknown += own
    return unknown / total


def _informative(baselines: LinearBaselines) -> Iterator[Finding]:
    """Whether sentences tell their relations: out of fold on train, then on dev."""
    best, majority = baselines.best, baselines.majority
    told = baselines.related >= RELATED
    dev = baselines.dev
    lost = dev is not None and dev.promised >= EXPECTED and dev.related < min(RELATED, dev.promised / 4)
    above = best.score.macro_f1 > majority.score.macro_f1 + 2 * best.score.se
    severity: Severity = "ok"
    if not told:
        severity = "problem" if baselines.sentences >= ENOUGH else "watch"
    elif lost:
        severity = "problem"
    elif not above:
        severity = "watch"
    measured = (
        f"linear baseline ({best.name}) macro-F1 {100 * best.score.macro_f1:.1f} "
        f"±{100 * best.score.se:.1f}, majority {100 * majority.score.macro_f1:.1f}, "
        f"shuffled relations {100 * baselines.shuffled.score.macro_f1:.1f}; "
        f"out of fold, train's relations fit {baselines.related:.1f} SD better than exchanged ones"
    )
    if dev is not None:
        measured += f", dev's {dev.related:.1f} SD (expected: {dev.promised:.1f})"
    yield Finding(
        severity,
        "uninformative-input",
        measured,
        f"more than the majority + 2 SE, and at least {RELATED:.0f} SD"
        " (permutation test, Ojala and Garriga 2010)",
        "no network learns what the sentences do not tell"
        if severity == "problem" and not told
        else "dev's relations do not follow from its sentences as train's do"
        if lost
        else "the sentences tell little of their relations, or there are too few of them to see it",
        "read some sentences beside their relations: are the two lists still in the same order?"
        if severity == "problem"
        else "read the sentences that relclf inspect lists as likely wrong, and collect more",
    )


def _dev_fits(baselines: LinearBaselines) -> Iterator[Finding]:
    """Whether dev is understood better with head and tail exchanged, or with other names for the relations."""
    dev = baselines.dev
    if dev is None or dev.promised < EXPECTED or baselines.related < RELATED:
        return
    better = dev.swapped >= DEVIATIONS and dev.accuracy_swapped >= max(
        dev.accuracy + MARGIN, dev.accuracy_renamed
    )
    if better and dev.related_swapped >= RELATED:
        yield Finding(
            "problem",
            "mentions-swapped",
            f"a linear model of train gets {100 * dev.accuracy:.1f} % of dev right as it is, and "
            f"{100 * dev.accuracy_swapped:.1f} % with head and tail exchanged",
            "dev as it is understood better",
            "head and tail are the other way round in dev than in train",
            "exchange head and tail in one of the two files",
        )
    elif dev.names is not None:
        yield replace(
            dev.names,
            measured=f"a linear model of train, on dev: {dev.names.measured}",
            why=_WHY_NAMES[dev.names.severity],
            next_step="compare the relations of some dev sentences with those of like sentences of train",
        )


_WHY_NAMES: dict[Severity, str] = {
    "problem": "a relation has one name, or one id, in train and another in dev",
    "ok": "relations have the same names in train and dev",
}


def _doubted(baselines: LinearBaselines) -> Finding:
    """How many relations of train look wrong to the baseline that has not seen them."""
    clearly = [s for s in baselines.suspects if s.given_probability < 0.05 and s.probability > 0.9]
    share = len(clearly) / baselines.sentences
    first = clearly or baselines.suspects
    where = f", first {first[0].example.source}" if first else ""
    return Finding(
        "watch" if share >= DOUBTED else "ok",
        "likely-wrong-relations",
        f"{len(clearly):,} of {baselines.sentences:,} train sentences look wrong: under 5 % for their relation, "
        f"over 90 % for another{where}",
        f"under {100 * DOUBTED:.0f} % (confident learning, Northcutt et al. 2021)",
        "wrong relations teach the wrong thing, and in dev they cap the score",
        "relclf inspect FILE --suspects 50 lists them; a doubt is no proof, read them",
    )


Words = Callable[[Example], tuple[str, ...]]


def _reading(encoding: EncodingConfig) -> Words:
    """The words of an example as the network sees them, each spelling normalised once."""
    normalise = Vocabulary((), FIRST_WORD_ID, encoding.lowercase, encoding.fold_digits).normalise
    known: dict[str, str] = {}

    def words(example: Example) -> tuple[str, ...]:
        return tuple(
            [known.get(token) or known.setdefault(token, normalise(token)) for token in example.tokens]
        )

    return words


def _marked(example: Example, words: Words) -> Hashable:
    """Equal for two examples that the network cannot tell apart."""
    return words(example), example.head, example.tail


def _loosely(example: Example) -> Hashable:
    """Equal for sentences that differ in case, digits and punctuation alone; the mentions' places among the words."""
    words = [token.lower() for token in example.tokens]
    kept = [(place, word) for place, word in enumerate(words) if any(map(str.isalpha, word))]
    starts = {place: index for index, (place, _) in enumerate(kept)}
    return tuple(word for _, word in kept), starts.get(example.head.start), starts.get(example.tail.start)


def _percent(share: float) -> str:
    """Two digits, and all three of 100."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def _listed(names: Iterable[str]) -> str:
    """Up to three names, and how many more there are."""
    shown = sorted(map(printable, names))
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more
