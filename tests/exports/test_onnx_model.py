"""An exported network, fed as docs/exports.md says, gives our scores: every network, batch and length."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from relclf.encoding.batches import gather, sorted_batches
from relclf.encoding.dataset import EncodedDataset, gold_ids
from relclf.encoding.sentences import to_sentences
from relclf.exports.onnx_model import INPUTS, onnx_export
from relclf.exports.writing import write_folder
from relclf.prediction.evaluating import split_examples
from relclf.prediction.opening import OpenedRun, open_trained
from relclf.prediction.predictor import load
from relclf.runs.calibration import Calibration, checkpoint_sha256, write_calibration
from relclf.training.evaluation import evaluate
from relclf.training.experiment import start, train
from tests.tiny import tiny_config, write_tiny_corpus

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "exports.md").read_text(encoding="utf-8")
NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {},
    "pcnn with sinusoids and ReLU": {
        "model__name": "pcnn",
        "model__positions": "sinusoid",
        "model__activation": "relu",
    },
    "attention with ranking loss": {"model__name": "attention_cnn", "training__loss": {"name": "ranking"}},
    "gelu, four windows, mentions, hidden, no positions": {
        "model__activation": "gelu",
        "model__windows": [2, 3, 4, 5],
        "model__mention_features": True,
        "model__hidden": 7,
        "model__position_dim": 0,
    },
}


def trained(folder: Path, **overrides: Any) -> OpenedRun:
    experiment = start(
        tiny_config(folder, training__max_epochs=1, **overrides), "tiny", folder / "runs", None
    )
    list(experiment.epochs())
    return open_trained(experiment.run.path)


def scores_of_onnx(content: bytes, dataset: EncodedDataset) -> Any:
    """(sentences, relations) in batches of every length there is."""
    session = onnxruntime.InferenceSession(content)
    found: dict[int, Any] = {}
    for rows in sorted_batches(dataset.lengths, 2048):
        batch = gather(dataset, rows)
        arrays = (batch.token_ids, batch.head_positions, batch.tail_positions)
        given = {name: array.numpy().astype(np.int64) for name, array in zip(INPUTS, arrays, strict=True)}
        found |= dict(zip(rows.tolist(), session.run(["scores"], given)[0], strict=True))
    return np.stack([found[row] for row in range(len(dataset))])


def largest_difference(opened: OpenedRun, split: str) -> tuple[int, float]:
    """Over all sentences of a split: how many there are, and how far the scores are from ours."""
    _, _, examples, _ = split_examples(opened, split)
    sentences = to_sentences(examples, opened.network.vocabulary)
    content = onnx_export(opened, None).files["model.onnx"]
    with opened.encoded(sentences, gold_ids(examples, opened.network.relations)) as dataset:
        ours = evaluate(opened.network.model, dataset, opened.objective).scores
        return len(ours), float(np.abs(scores_of_onnx(content, dataset) - ours).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_our_scores(tmp_path: Path, name: str) -> None:
    sentences, difference = largest_difference(trained(tmp_path, **NETWORKS[name]), "dev")
    assert (sentences, difference < 1e-5) == (12, True)


@pytest.mark.parametrize("missing", ["random", "ngrams"])
def test_the_model_has_the_rows_of_word_vectors_and_what_ngrams_say_of_words(
    tmp_path: Path, missing: str
) -> None:
    (tmp_path / "vectors.txt").write_text("storm 1 2 3 4 5 6\nflood 6 5 4 3 2 1\n")
    vectors = str(tmp_path / "vectors.txt")
    options = {"encoding__freeze_vectors": True, "encoding__missing_vectors": missing}
    opened = trained(tmp_path, encoding__vectors=vectors, **options)
    assert opened.network.model.words.constant is not None
    _, difference = largest_difference(opened, "dev")
    assert difference < 1e-5
    assert "relclf predict looks them up in the word vectors" in onnx_export(opened, None).notes[-1]


def test_it_is_valid_describes_itself_and_tells_no_path(tmp_path: Path) -> None:
    opened = trained(tmp_path)
    content = onnx_export(opened, None).files["model.onnx"]
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    described = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert described["relations"] == list(opened.network.relations.names)
    assert (described["negative"], described["temperature"]) == ("none", None)
    shapes = {v.name: [d.dim_param for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    assert shapes == {name: ["batch", "length"] for name in INPUTS}
    assert str(PROJECT).encode() not in content
    assert b".py" not in content
    assert content == onnx_export(opened, None).files["model.onnx"]


def predict_of_the_page(folder: Path, sentences: list[tuple[Any, ...]]) -> Any:
    """What the page's own code gives; it uses nothing of relclf."""
    code = PAGE.split("```python\n")[1].split("```")[0]
    assert "relclf" not in code
    namespace: dict[str, Any] = {}
    exec(code[: code.index("\nprobabilities = predict(")], namespace)
    return namespace["predict"](folder, sentences)


def span(mention: dict[str, int]) -> list[int]:
    return [mention["start"], mention["end"]]


@pytest.mark.parametrize(
    "encoding",
    [
        {"mask_mentions": "types", "span": 1, "markers": True},
        {
            "mask_mentions": True,
            "span": 0,
            "tokenizer": "characters-1",
            "lowercase": False,
            "max_distance": 2,
        },
        {
            "markers": True,
            "max_length": 9,
            "too_long": "window",
            "tokenizer": "words-1",
            "fold_digits": False,
        },
    ],
    ids=str,
)
def test_sentences_encoded_as_the_page_says_get_the_probabilities_of_predict(
    tmp_path: Path, encoding: dict[str, Any]
) -> None:
    corpus, types = write_tiny_corpus(tmp_path), {"head": "Thing1", "tail": "thing2"}
    named = {f"{role}_type": name for role, name in types.items()}
    records = [json.loads(line) | named for line in corpus.read_text(encoding="utf-8").splitlines()]
    corpus.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    opened = trained(tmp_path, **{f"encoding__{key}": value for key, value in encoding.items()})
    calibration = Calibration(1.7, 1, checkpoint_sha256(opened.run, "best") or "", "", {})
    write_calibration(opened.run, "best", calibration)
    write_folder(tmp_path / "onnx", onnx_export(opened, calibration))
    texts = [
        "The STORM² of 1999 caused 3 floods, again.",
        "e\u0301te\u0301 हिन्दी: storm-led flood",
        "flood storm",
    ]
    spans = [([4, 9], [28, 34]), ([22, 27], [13, 18]), ([0, 5], [6, 11])]
    sentences = [
        {"text": t, "head": head, "tail": tail, **named} for t, (head, tail) in zip(texts, spans, strict=True)
    ]
    ours = load(opened.run.path).predict(sentences)
    given = [(text, head, tail, types) for text, (head, tail) in zip(texts, spans, strict=True)]
    theirs = predict_of_the_page(tmp_path / "onnx", given)
    for mine, other in zip(ours, theirs, strict=True):
        assert other == pytest.approx(mine.probabilities, abs=2e-6)


def test_the_page_and_predict_agree_on_all_of_the_quickstart_test(tmp_path: Path) -> None:
    config, test = PROJECT / "configs" / "quickstart.yaml", PROJECT / "data" / "quickstart" / "test.jsonl"
    list(train(config, run=tmp_path / "run", overrides=["training.max_epochs=2", "training.threads=1"]))
    opened = open_trained(tmp_path / "run", device="cpu")
    sentences, difference = largest_difference(opened, "test")
    assert (sentences, difference < 1e-5) == (1000, True)
    write_folder(tmp_path / "onnx", onnx_export(opened, None))
    records = [json.loads(line) for line in test.read_text(encoding="utf-8").splitlines()]
    ours = load(tmp_path / "run").predict(records)
    theirs = predict_of_the_page(
        tmp_path / "onnx", [(r["text"], *map(span, (r["head"], r["tail"]))) for r in records]
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert other == pytest.approx(mine.probabilities, abs=2e-6)


def test_the_scores_agree_on_all_of_semeval_test(tmp_path: Path, shared_data: Path) -> None:
    overrides = [
        f"data.train={shared_data / 'semeval2010' / 'TRAIN_FILE.TXT'}",
        f"data.test={shared_data / 'semeval2010' / 'TEST_FILE_FULL.TXT'}",
        "training.max_epochs=1",
        "training.threads=1",
    ]
    list(train(PROJECT / "configs" / "semeval2010-cnn.yaml", run=tmp_path / "run", overrides=overrides))
    sentences, difference = largest_difference(open_trained(tmp_path / "run", device="cpu"), "test")
    assert (sentences, difference < 1e-5) == (2717, True)
