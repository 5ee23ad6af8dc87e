"""Writes the quickstart corpus: invented business news in which firms buy and supply one another.

A sentence is put together from fragments, each of which states facts about the firms in it ("S buys O").
Two of its firms are then marked, and the facts between those two are the relation: the same sentence is
`acquirer_of`, `acquired_by` or `no_relation`, as the marks stand. Standard library only; the same seed gives the
same bytes everywhere.
"""

import argparse
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

SIZES = {"train": 2800, "dev": 600, "test": 1000}
SHARES = {"no_relation": 0.62, "acquirer_of": 0.30, "acquired_by": 0.05, "supplier_of": 0.03}
FLIPPED_SHARE = 0.03
HEAD_FIRST_SHARE = 0.9
TOKENS = range(8, 31)

# Fragments by the facts they state. S is the subject; O and T are further firms. A verb phrase follows its subject, a
# modifier stands behind it between commas, a clause has its own. Small letters are drawn from the lists below.
Fragments = Mapping[str, Sequence[str]]

VERB_PHRASES: Fragments = {
    "S buys O": (
        "bought {O} for {sum}",
        "acquired {O} {time}",
        "took over {O} {time}",
        "has agreed to buy {O}",
        "completed its purchase of {O}",
        "paid {sum} for {O}",
        "bought {O} from {T} for {sum}",
        "snapped up {O} for {sum}",
        "won control of {O} {time}",
        "beat {T} in the race to buy {O}",
        "struck a deal for {O} worth {sum}",
        "made {O} its own {time}",
    ),
    "O buys S": (
        "was bought by {O} for {sum}",
        "was acquired by {O} {time}",
        "was taken over by {O}",
        "sold itself to {O}",
        "agreed to be bought by {O}",
        "became a unit of {O} {time}",
        "was sold to {O} {time}",
        "found a new owner in {O}",
        "now belongs to {O}",
    ),
    "T buys O": (
        "sold {O} to {T} for {sum}",
        "lost {O} to {T} {time}",
        "watched {T} take over {O}",
        "let {T} buy {O} for {sum}",
        "lent {T} the money to buy {O}",
        "handled the sale of {O} to {T}",
    ),
    "S supplies O": (
        "supplied {O} with {goods}",
        "sold {goods} to {O} {time}",
        "delivered {goods} to {O}",
        "struck a deal with {O} for {goods}",
    ),
    "O supplies S": (
        "bought its {goods} from {O}",
        "took its {goods} from {O}",
        "has agreed to buy {goods} from {O}",
        "turned to {O} for {goods}",
    ),
    "": (
        "sued {O} over {matter}",
        "struck a deal with {O} over {matter}",
        "took over from {O} as sponsor of {event}",
        "dropped its bid for {O} {time}",
        "bought a warehouse from {O}",
        "denied any plan to buy {O}",
        "hired the former head of {O}",
        "was outbid by {O} {time}",
        "was sued by {O} over {matter}",
        "shared its {town} office with {O}",
        "refused to be bought by {O}",
        "undercut {O} on {goods}",
        "paid {O} {sum} over {matter}",
        "agreed with {O} on {matter}",
        "sold fewer {goods} than {O}",
        "fell behind {O} {time}",
        "joined {O} and {T} at {event}",
        "took its case against {O} to court",
        "was praised by {O} for its {goods}",
        "lost a contract for {goods} to {O}",
        "moved to {town} {time}",
        "cut {number} jobs in {town}",
    ),
}

MODIFIERS: Fragments = {
    "S buys O": ("which bought {O} {time}", "the new owner of {O}", "which has taken over {O}"),
    "O buys S": (
        "which {O} bought {time}",
        "owned by {O}",
        "bought by {O} {time}",
        "which {O} has taken over",
        "now a unit of {O}",
    ),
    "S supplies O": ("which sells {goods} to {O}", "which supplies {O} with {goods}"),
    "O supplies S": ("which buys its {goods} from {O}", "which {O} supplies with {goods}"),
    "T buys O": ("which sold {O} to {T}",),
    "": (
        "a rival of {O}",
        "like {O} a maker of {goods}",
        "which {O} sued {time}",
        "which sued {O} {time}",
        "long the partner of {O}",
        "better known than {O}",
        "based in {town}",
        "led by {person}",
        "which employs {number} people",
        "founded in {year}",
        "which failed to buy {O}",
        "named by {O} as a partner",
    ),
}

CLAUSES: Fragments = {
    "S buys O": (
        "the purchase of {O} by {S} was approved {time}",
        "workers at {O} welcomed the takeover by {S}",
        "{S}'s takeover of {O} cost {number} jobs",
        "control of {O} passed to {S} {time}",
        "the owners of {O} accepted {sum} from {S}",
    ),
    "S supplies O": ("{S}'s {goods} reached {O} {time}",),
    "": (
        "{S}'s dispute with {O} over {matter} went on",
        "the purchase of {goods} by {S} worried {O}",
        "the bid of {S} for {O} was rejected {time}",
        "shares in {S} rose faster than those in {O}",
        "workers at {O} and {S} met in {town}",
    ),
}

OPENERS: Fragments = {
    "": (
        "in a surprise move,",
        "after months of talks,",
        "according to {person},",
        "according to {O},",
        "{person} confirmed that",
        "{O} said {time} that",
        "people close to {O} said that",
        "to the surprise of {O},",
        "as {person} had expected,",
        "the {town} papers reported that",
        "with the help of {O},",
        "while {O} looked on,",
        "in the shadow of {event},",
    ),
    "O buys T": (
        "after {O} bought {T},",
        "a week after {O} had taken over {T},",
        "now that {T} belongs to {O},",
    ),
}

CODAS: Fragments = {
    "": (
        ", {person} said",
        "in spite of protests from {O}",
        ", according to {O}",
        "after talks with {O} had failed",
        "before {O} could answer",
        ", as the {town} court was told",
        "with money from {O}",
        ", {O} reported",
        "on the eve of {event}",
        "and moved {number} jobs to {town}",
        ", to the relief of {person}",
        "without telling {O}",
        ", a move that {O} criticised",
    ),
    "O buys T": (
        "after {O} had bought {T}",
        ", just as {O} took over {T}",
        ", the week that {T} was bought by {O}",
    ),
}

VERB_PHRASE_WEIGHTS = {
    "S buys O": 30,
    "O buys S": 16,
    "T buys O": 14,
    "S supplies O": 6,
    "O supplies S": 6,
    "": 28,
}
MODIFIER_WEIGHTS = {
    "S buys O": 10,
    "O buys S": 12,
    "S supplies O": 2,
    "O supplies S": 2,
    "T buys O": 4,
    "": 60,
}
CLAUSE_WEIGHTS = {"S buys O": 60, "S supplies O": 10, "": 30}
MARGIN_WEIGHTS = {"": 88, "O buys T": 12}

# Words by slot or use. What is called unseen, train never draws; dev and test draw both.
LISTS = """
seen nouns: brewery, bank, bakery, shipyard, airline, insurer, toymaker, publisher, retailer, dairy, grocer, foundry
seen nouns: railway, hotelier, carmaker, printer, drugmaker, broadcaster, farm, startup, mill, builder, jeweller
unseen nouns: tannery, distillery, quarry, sawmill, florist, chocolatier, watchmaker, cannery, glassworks, nursery
seen goods: valves, bottles, engines, tyres, screens, flour, timber, seats, batteries, paper, bricks, cables, pumps
seen goods: lenses, barrels, sensors, cartons, boilers, fabrics, ovens
unseen goods: hinges, magnets, labels, kettles, ropes, turbines, buttons, crates, tiles
adjectives: local, family, small, rival, Nordic, struggling, young, listed, state-run, century-old
firm words: Foods, Motors, Holdings, Group, Industries, Works, Partners, Labs, Stores, Marine, Energy, Media, Textiles
sum: 3 million, 7 million, 12 million, 18 million, 25 million, 40 million, 65 million, 90 million, 130 million
sum: 3 million crowns, 9 million crowns, 15 million crowns, 50 million crowns, 110 million crowns, a small sum
number: 30, 45, 80, 120, 250, 400, 700, 1200, dozens of, hundreds of
year: 1961, 1964, 1967, 1970, 1973, 1978, 1982, 1985, 1989, 1992, 1996, 1999, 2003, 2008, 2011, 2016, 2019, 2021
time: last year, this spring, two years ago, earlier this month, on Friday, on Monday, last autumn, in the end
time: at short notice, over the weekend, years ago, in January, in March, in April, in June, in July, in October
matter: late payments, a patent, unpaid bills, a logo, waste water, parking rights, the use of its name
event: the harvest fair, the boat show, the trade fair, the city marathon, the chess open, the winter games
onsets: b, br, d, dr, f, fl, g, gr, h, j, k, kl, l, m, n, p, pr, qu, r, s, sk, st, t, tr, v, vl, w, z
vowels: a, e, i, o, u, ae, ei
endings: bern, dorn, fen, gand, kelt, lind, mur, nax, pex, rell, rond, sk, tav, tis, vane, vik, xen, zarn
"""
SHORTEST_NAME = 6  # letters: shorter ones too often are words, or firms


@dataclass(frozen=True)
class Words:
    """The lists one split draws from: slot name -> phrases, and firms as (words before the mention, mention)."""

    plain: Mapping[str, Sequence[str]]
    firms: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Sentence:
    """A text, its firms' half-open character spans in text order, and the facts (firm, verb, firm) stated."""

    text: str
    spans: Mapping[str, tuple[int, int]]
    facts: frozenset[tuple[str, str, str]]


@dataclass(frozen=True)
class Line:
    """One line of the corpus; `relation` differs from `true_relation` exactly where it was flipped."""

    text: str
    head: tuple[int, int]
    tail: tuple[int, int]
    relation: str
    true_relation: str


def main() -> None:
    """Reads the command line and writes the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "quickstart", help="the folder")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another corpus (default: 1)")
    arguments = parser.parse_args()
    write_corpus(arguments.out, arguments.seed)


def write_corpus(folder: Path, seed: int = 1) -> None:
    """Writes train.jsonl, dev.jsonl and test.jsonl into the folder; no sentence is in two of them."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = make_words(seed)
    taken: set[str] = set()
    for split, size in SIZES.items():
        lines = flip(
            make_lines(split, size, lists[split], taken, seed), random.Random(f"{seed}/{split}/flips")
        )
        records = (to_json(f"{split}-{number:04d}", line) for number, line in enumerate(lines, start=1))
        content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / f"{split}.jsonl").write_bytes(content.encode())


def make_words(seed: int) -> dict[str, Words]:
    """The lists of each split: train never sees the second half of dev's and test's."""
    rng = random.Random(f"{seed}/words")
    names = invented_names(rng, 400)
    towns, people, firms = names[:40], names[40:100], names[100:]
    lists = word_lists()
    middle = len(firms) // 2
    seen = firm_mentions(rng, firms[:middle], lists["seen nouns"])
    unseen = firm_mentions(rng, firms[middle:], lists["unseen nouns"])
    shared = {**lists, "town": towns[:20], "person": people[:30], "goods": lists["seen goods"]}
    wider = {**lists, "town": towns, "person": people, "goods": lists["seen goods"] + lists["unseen goods"]}
    later = Words(wider, seen + unseen)
    return {"train": Words(shared, seen), "dev": later, "test": later}


def word_lists() -> dict[str, list[str]]:
    """LISTS as name -> entries, in their order."""
    lists: dict[str, list[str]] = {}
    for line in LISTS.strip().splitlines():
        name, entries = line.split(": ")
        lists.setdefault(name, []).extend(entries.split(", "))
    return lists


def invented_names(rng: random.Random, count: int) -> list[str]:
    lists = word_lists()
    names: dict[str, None] = {}
    while len(names) < count:
        syllables = [
            rng.choice(lists["onsets"]) + rng.choice(lists["vowels"]) for _ in range(rng.choice((1, 1, 2)))
        ]
        name = "".join([*syllables, rng.choice(lists["endings"])]).capitalize()
        if len(name) >= SHORTEST_NAME:
            names[name] = None
    return list(names)


def firm_mentions(rng: random.Random, names: Sequence[str], nouns: Sequence[str]) -> list[tuple[str, str]]:
    """Firms as a sentence calls them: "Kelvik", "Kelvik Foods", "the [brewery]", "a small [brewery]"."""
    lists = word_lists()
    called = [
        ("", name if rng.random() < 0.7 else f"{name} {rng.choice(lists['firm words'])}") for name in names
    ]
    described = [
        (f"{article} ", noun) for noun in nouns for article in ("the", f"a {rng.choice(lists['adjectives'])}")
    ]
    return called + described


def make_lines(split: str, size: int, words: Words, taken: set[str], seed: int) -> list[Line]:
    """The split's lines in random order, with the shares of SHARES; adds their texts to `taken`."""
    relations = [name for name, share in SHARES.items() for _ in range(round(share * size))]
    random.Random(f"{seed}/{split}/order").shuffle(relations)
    rng = random.Random(f"{seed}/{split}/sentences")
    return [draw_line(rng, words, relation, taken) for relation in relations]


def draw_line(rng: random.Random, words: Words, relation: str, taken: set[str]) -> Line:
    while True:
        sentence = draw_sentence(rng, words)
        head_first = rng.random() < HEAD_FIRST_SHARE
        pairs = [pair for pair in pairs_with(relation, sentence) if is_before(sentence, *pair) == head_first]
        length = len(re.findall(r"\w+|[^\w\s]", sentence.text))
        if pairs and length in TOKENS and sentence.text not in taken:
            taken.add(sentence.text)
            head, tail = rng.choice(pairs)
            return Line(sentence.text, sentence.spans[head], sentence.spans[tail], relation, relation)


def pairs_with(relation: str, sentence: Sentence) -> Iterator[tuple[str, str]]:
    """The (head, tail) pairs between which the sentence states the relation.

    A customer and its supplier, in this order, have no name in this corpus and are never marked.
    """
    for head, tail in permutations(sentence.spans, 2):
        stated = {
            "acquirer_of": (head, "buys", tail) in sentence.facts,
            "acquired_by": (tail, "buys", head) in sentence.facts,
            "supplier_of": (head, "supplies", tail) in sentence.facts,
            "customer_of": (tail, "supplies", head) in sentence.facts,
        }
        if stated.get(relation, not any(stated.values())):
            yield head, tail


def is_before(sentence: Sentence, first: str, second: str) -> bool:
    return sentence.spans[first] < sentence.spans[second]


def draw_sentence(rng: random.Random, words: Words) -> Sentence:
    """A sentence of one or two clauses, with an opener or a coda, about two to eight firms."""
    composition = Composition(rng)
    text = composition.clause()
    ending = rng.random()
    if ending < 0.2:
        text += f" {composition.fragment(CODAS, MARGIN_WEIGHTS)}"
    elif ending < 0.32:
        text += rng.choice((", while ", ", and ", ", but ", " after ", " because ")) + composition.clause()
    if rng.random() < 0.25:
        text = f"{composition.fragment(OPENERS, MARGIN_WEIGHTS)} {text}"
    return fill(rng, words, text + ".", frozenset(composition.facts))


class Composition:
    """Puts fragments together, each firm with a letter of its own, and collects the facts they state."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.facts: list[tuple[str, str, str]] = []
        self._firms = iter("ABCDEFGHIJKLMNOPQR")

    def clause(self) -> str:
        if self.rng.random() < 0.15:
            return self.fragment(CLAUSES, CLAUSE_WEIGHTS)
        subject = next(self._firms)
        text = f"{{{subject}}}"
        if self.rng.random() < 0.12:
            text += f", {self.fragment(MODIFIERS, MODIFIER_WEIGHTS, subject)},"
        text += f" {self.fragment(VERB_PHRASES, VERB_PHRASE_WEIGHTS, subject)}"
        if self.rng.random() < 0.07:
            text += f" and {self.fragment(VERB_PHRASES, VERB_PHRASE_WEIGHTS, subject)}"
        return text

    def fragment(self, fragments: Fragments, weights: Mapping[str, int], subject: str | None = None) -> str:
        """A fragment drawn by the weight of its facts; S becomes the subject, the other firms new letters."""
        facts = self.rng.choices(list(weights), list(weights.values()))[0]
        choices = fragments[facts]
        text = choices[min(self.rng.randrange(len(choices)), self.rng.randrange(len(choices)))]
        letters: dict[str, str] = {}
        for role in re.findall(r"\{([SOT])\}", text):
            letters.setdefault(role, next(self._firms))
        if subject:
            letters["S"] = subject
        if facts:
            giver, verb, taker = facts.split()
            self.facts.append((letters[giver], verb, letters[taker]))
        return re.sub(r"\{([SOT])\}", lambda match: f"{{{letters[match[1]]}}}", text)


def fill(rng: random.Random, words: Words, template: str, facts: frozenset[tuple[str, str, str]]) -> Sentence:
    """The template with words in its slots; no firm's mention occurs twice."""
    text = ""
    spans: dict[str, tuple[int, int]] = {}
    used: set[str] = set()
    for index, piece in enumerate(re.split(r"\{(\w+)\}", template.replace(" ,", ","))):
        if index % 2 == 0:
            text += piece
        elif piece in words.plain:
            text += rng.choice(words.plain[piece])
        else:
            before, mention = draw_firm(rng, words, used)
            text += before
            spans[piece] = (len(text), len(text) + len(mention))
            text += mention
    return Sentence(text[0].upper() + text[1:], spans, facts)


def draw_firm(rng: random.Random, words: Words, used: set[str]) -> tuple[str, str]:
    """A firm whose mention is not in `used`, which then holds it too."""
    while True:
        before, mention = rng.choice(words.firms)
        if mention not in used:
            used.add(mention)
            return before, mention


def flip(lines: Sequence[Line], rng: random.Random) -> list[Line]:
    """Exchanges the relations of pairs of lines that differ, so that the shares stay: FLIPPED_SHARE of all."""
    flipped = list(lines)
    untouched = list(range(len(lines)))
    rng.shuffle(untouched)
    for _ in range(round(FLIPPED_SHARE * len(lines) / 2)):
        first = untouched.pop()
        second = next(
            index for index in reversed(untouched) if lines[index].relation != lines[first].relation
        )
        untouched.remove(second)
        flipped[first] = replace(lines[first], relation=lines[second].relation)
        flipped[second] = replace(lines[second], relation=lines[first].relation)
    return flipped


def to_json(name: str, line: Line) -> dict[str, Any]:
    is_flipped = line.relation != line.true_relation
    return {
        "id": name,
        "text": line.text,
        "head": {"start": line.head[0], "end": line.head[1]},
        "tail": {"start": line.tail[0], "end": line.tail[1]},
        "relation": line.relation,
        "flipped": is_flipped,
        **({"true_relation": line.true_relation} if is_flipped else {}),
    }


if __name__ == "__main__":
    main()
