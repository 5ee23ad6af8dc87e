"""Every case: a healthy loop, the line or two that differ, and the check that should name the fault (none: healthy)."""

from dataclasses import dataclass
from pathlib import Path

Change = tuple[str, str]
"""Before and after; `before` stands exactly once in the loop's file."""


@dataclass(frozen=True)
class Case:
    """A loop to run and what watch should say of it."""

    name: str
    loop: str
    """the file in loops/"""
    changes: tuple[Change, ...]
    expected: tuple[str, ...] = ()
    """Names of checks, any of which names the fault; none for a healthy loop."""

    def source(self) -> str:
        """The loop's text with the changes made. Raises ValueError where a change does not fit."""
        text = (Path(__file__).parent / "loops" / f"{self.loop}.py").read_text(encoding="utf-8")
        for before, after in self.changes:
            before, after = before.strip("\n"), after.strip("\n")
            if text.count(before) != 1:
                raise ValueError(
                    f"{self.name}: {before!r} stands {text.count(before)} times in {self.loop}.py"
                )
            text = text.replace(before, after)
        return text


def fault(name: str, loop: str, expected: str, *changes: Change) -> Case:
    """A case in which a check must find the problem."""
    return Case(name, loop, changes, tuple(expected.split()))


def healthy(name: str, loop: str, *changes: Change) -> Case:
    """A case in which no check may find a problem."""
    return Case(name, loop, changes)


LINEAR = ("nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 5))", "nn.Linear(20, 5)")
SOFTMAX = ("loss_function(model(x[:1000]), y[:1000])", "loss_function(model(x[:1000]).softmax(1), y[:1000])")

FAULTS = [
    # ---- updates -------------------------------------------------------------------------------------------------
    fault(
        "one update an epoch, from the last batch's loss",
        "convolution",
        "updates-per-epoch",
        (
            """
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
""",
            """
            total += loss.item() * len(rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
""",
        ),
    ),
    fault(
        "one update an epoch (loader handed in)",
        "gated",
        "updates-per-epoch",
        (
            """
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            train_loss += loss.detach().item()
""",
            """
            train_loss += loss.detach().item()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
""",
        ),
    ),
    fault(
        "one update an epoch (LSTM, nothing handed in)",
        "recurrent",
        "updates-per-epoch",
        ("            loss.backward()\n            opt.step()\n", ""),
        (
            "        accuracies.append(",
            "        loss.backward()\n        opt.step()\n        accuracies.append(",
        ),
    ),
    fault(
        "one update an epoch from the summed loss of all batches",
        "bag",
        "updates-per-epoch accumulation-not-averaged",
        (
            "                net.zero_grad()\n                loss.backward()\n"
            "                optim.step()\n",
            "",
        ),
        ("epoch_loss += loss.item()", "epoch_loss = epoch_loss + loss"),
        (
            "            net.eval()",
            "            net.zero_grad()\n            epoch_loss.backward()\n"
            "            optim.step()\n            net.eval()",
        ),
    ),
    fault(
        "step outside: gradients of all batches summed, one update an epoch",
        "convolution",
        "updates-per-epoch accumulation-not-averaged",
        ("            optimizer.zero_grad()\n", ""),
        ("            optimizer.step()\n", ""),
        (
            "        train_loss = total",
            "        optimizer.step()\n        optimizer.zero_grad()\n        train_loss = total",
        ),
    ),
    fault(
        "backward outside: step in the loop, backward after it",
        "convolution",
        "updates-per-epoch parameters-not-moving",
        ("            loss.backward()\n", ""),
        ("        train_loss = total", "        loss.backward()\n        train_loss = total"),
    ),
    fault(
        "backward outside, zero_grad at the end of the epoch",
        "recurrent",
        "updates-per-epoch parameters-not-moving gradients-not-cleared",
        ("            opt.zero_grad()\n", ""),
        ("            loss.backward()\n", ""),
        ("        model.train()", "        model.train()\n        opt.zero_grad()"),
        ("        accuracies.append(", "        loss.backward()\n        accuracies.append("),
    ),
    fault(
        "a break from debugging: one batch an epoch (loader handed in)",
        "gated",
        "updates-per-epoch same-batch",
        ("train_loss += loss.detach().item()", "train_loss += loss.detach().item()\n            break"),
    ),
    fault(
        "step forgotten",
        "recurrent",
        "updates-per-epoch parameters-not-moving",
        ("            opt.step()\n", ""),
    ),
    fault(
        "step without its brackets",
        "features",
        "updates-per-epoch parameters-not-moving",
        ("optimizer.step()", "optimizer.step"),
    ),
    fault(
        "weights put back to the first ones at each epoch",
        "convolution",
        "parameters-not-moving updates-per-epoch",
        (
            "    for _ in",
            "    best = {k: v.clone() for k, v in model.state_dict().items()}\n    for _ in",
        ),
        ("        model.train()\n", "        model.train()\n        model.load_state_dict(best)\n"),
    ),
    # ---- gradients -----------------------------------------------------------------------------------------------
    fault(
        "zero_grad missing",
        "convolution",
        "gradients-not-cleared",
        ("            optimizer.zero_grad()\n", ""),
    ),
    fault(
        "zero_grad missing (LSTM)",
        "recurrent",
        "gradients-not-cleared",
        ("            opt.zero_grad()\n", ""),
    ),
    fault(
        "zero_grad missing (SGD)", "bag", "gradients-not-cleared", ("                net.zero_grad()\n", "")
    ),
    fault(
        "zero_grad missing, gradients clipped",
        "gated",
        "gradients-not-cleared",
        ("            optimizer.zero_grad(set_to_none=True)\n", ""),
    ),
    fault(
        "zero_grad once an epoch, step each batch",
        "recurrent",
        "gradients-not-cleared",
        ("            opt.zero_grad()\n", ""),
        ("        model.train()", "        model.train()\n        opt.zero_grad()"),
    ),
    fault(
        "zero_grad of another model",
        "features",
        "gradients-not-cleared",
        ("            optimizer.zero_grad()\n", "            other.zero_grad()\n"),
        ("    history = []", "    history = []\n    other = nn.Linear(20, 5)"),
    ),
    fault(
        "zero_grad between backward and step",
        "convolution",
        "parameters-not-moving gradients-not-cleared updates-per-epoch",
        (
            "            optimizer.zero_grad()\n            loss.backward()\n",
            "            loss.backward()\n            optimizer.zero_grad()\n",
        ),
    ),
    fault(
        "zero_grad(set_to_none=False) between backward and step",
        "recurrent",
        "parameters-not-moving gradients-not-cleared updates-per-epoch",
        ("            opt.zero_grad()\n", ""),
        ("            opt.step()", "            opt.zero_grad(set_to_none=False)\n            opt.step()"),
    ),
    fault(
        "zero_grad of the model between backward and step (SGD)",
        "bag",
        "parameters-not-moving gradients-not-cleared updates-per-epoch",
        (
            "                net.zero_grad()\n                loss.backward()\n",
            "                loss.backward()\n                net.zero_grad()\n",
        ),
    ),
    fault(
        "accumulation over 8 batches, not averaged (SGD)",
        "bag",
        "accumulation-not-averaged",
        ("                net.zero_grad()\n", ""),
        (
            "                optim.step()\n",
            "                if n % 8 == 7:\n                    optim.step()\n"
            "                    net.zero_grad()\n",
        ),
    ),
    fault(
        "gradients cleared at each batch, one update every 4 (SGD)",
        "bag",
        "accumulation-not-averaged",
        (
            """
                loss.backward()
                optim.step()
""",
            """
                (loss / 4).backward()
                if n % 4 == 3:
                    optim.step()
""",
        ),
    ),
    fault(
        "backward twice (SGD)",
        "bag",
        "accumulation-not-averaged",
        (
            "                loss.backward()\n",
            "                loss.backward(retain_graph=True)\n                loss.backward()\n",
        ),
    ),
    # ---- parameters ----------------------------------------------------------------------------------------------
    fault(
        "optimiser on another model's parameters",
        "convolution",
        "parameters-not-in-optimizer",
        (
            "    criterion = nn.CrossEntropyLoss()\n",
            "    criterion = nn.CrossEntropyLoss()\n"
            "    net = Network(corpus.words, corpus.positions, corpus.relations)\n",
        ),
        ("Adam(model.parameters(), lr=0.001)", "Adam(net.parameters(), lr=0.001)"),
    ),
    fault(
        "a copy is trained, the optimiser has the original",
        "features",
        "parameters-not-in-optimizer",
        ("    w = relclf", "    import copy\n\n    model = copy.deepcopy(model)\n    w = relclf"),
    ),
    fault(
        "output layer replaced after the optimiser was built",
        "recurrent",
        "parameters-not-in-optimizer",
        (
            "    watch = relclf.watch(model, opt)",
            "    model.fc = nn.Linear(64, corpus.relations)\n    watch = relclf.watch(model, opt)",
        ),
    ),
    fault(
        "embedding replaced after the optimiser was built, and after watch",
        "convolution",
        "parameters-not-in-optimizer",
        (
            "    watch = relclf.watch(model, optimizer)",
            "    watch = relclf.watch(model, optimizer)\n    vectors = torch.randn(corpus.words, 30)\n"
            "    model.word_embedding = nn.Embedding.from_pretrained(vectors, freeze=False)",
        ),
    ),
    fault(
        "only the output layer in the optimiser",
        "convolution",
        "parameters-not-in-optimizer",
        ("Adam(model.parameters(), lr=0.001)", "Adam(model.output.parameters(), lr=0.001)"),
    ),
    fault(
        "model made anew at each epoch, optimiser not",
        "convolution",
        "parameters-not-in-optimizer updates-per-epoch parameters-not-moving",
        (
            "        model.train()\n",
            "        model = Network(corpus.words, corpus.positions, corpus.relations)\n"
            "        model.train()\n",
        ),
    ),
    fault(
        "layers in a plain list, unknown to model.parameters()",
        "convolution",
        "parameters-not-in-optimizer",
        (
            "        self.convolution = nn.Conv1d(40, 60, kernel_size=3, padding=1)",
            "        self.convolutions = [nn.Conv1d(40, 30, kernel_size=n, padding=n // 2) for n in (3, 5)]",
        ),
        (
            "filtered = torch.relu(self.convolution(embedded.transpose(1, 2)))",
            "filtered = torch.cat([c(embedded.transpose(1, 2)).relu() for c in self.convolutions], dim=1)",
        ),
    ),
    fault(
        "random embeddings frozen",
        "convolution",
        "embeddings-frozen",
        (
            "        self.head_embedding =",
            "        self.word_embedding.weight.requires_grad = False\n        self.head_embedding =",
        ),
    ),
    fault(
        "random embeddings frozen and filtered from the optimiser (GRU)",
        "gated",
        "embeddings-frozen",
        (
            "    loss_function =",
            "    for p in model.embeddings.parameters():\n        p.requires_grad_(False)\n"
            "    loss_function =",
        ),
    ),
    fault(
        "random embeddings detached",
        "recurrent",
        "embeddings-frozen parameters-not-moving",
        ("        e = self.drop(e)\n", "        e = self.drop(e.detach())\n"),
    ),
    fault(
        "embeddings looked up under no_grad",
        "bag",
        "embeddings-frozen parameters-not-moving",
        (
            "        nn.EmbeddingBag(corpus.words, 64, mode=",
            "        Lookup(corpus.words, 64, mode=",
        ),
        (
            "def train(",
            "class Lookup(nn.EmbeddingBag):\n    @torch.no_grad()\n    def forward(self, x):\n"
            "        return super().forward(x)\n\n\ndef train(",
        ),
    ),
    fault(
        "random embeddings left out of the optimiser",
        "convolution",
        "embeddings-frozen parameters-not-in-optimizer",
        (
            "    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)",
            "    wanted = [p for n, p in model.named_parameters() if 'embedding' not in n]\n"
            "    optimizer = torch.optim.Adam(wanted, lr=0.001)",
        ),
    ),
    fault(
        "detach in the middle",
        "convolution",
        "parameters-not-moving embeddings-frozen",
        (".max(dim=2).values", ".max(dim=2).values.detach()"),
    ),
    fault(
        "loss from tensors without a history",
        "recurrent",
        "parameters-not-moving updates-per-epoch",
        (
            "            loss = F.cross_entropy(logits, y)",
            "            loss = F.cross_entropy(torch.tensor(logits.tolist(), requires_grad=True), y)",
        ),
    ),
    fault(
        "all weights start at zero",
        "features",
        "parameters-not-moving dead-filters",
        (
            "    optimizer =",
            "    for p in model.parameters():\n        nn.init.zeros_(p)\n    optimizer =",
        ),
    ),
    # ---- modes ---------------------------------------------------------------------------------------------------
    fault(
        "never back to train mode after the first evaluation",
        "convolution",
        "eval-mode-while-training",
        (
            "    for _ in range(EPOCHS):\n        model.train()\n",
            "    model.train()\n    for _ in range(EPOCHS):\n",
        ),
    ),
    fault(
        "never back to train mode, two epochs in all",
        "convolution",
        "eval-mode-while-training",
        ("EPOCHS = 5", "EPOCHS = 2"),
        (
            "    for _ in range(EPOCHS):\n        model.train()\n",
            "    model.train()\n    for _ in range(EPOCHS):\n",
        ),
    ),
    fault(
        "never back to train mode (batch norm, no dropout)",
        "pictures",
        "eval-mode-while-training",
        ("        net.train()\n", ""),
    ),
    fault(
        "eval mode from the start",
        "gated",
        "eval-mode-while-training",
        ("        model.train()\n", "        model.eval()\n"),
    ),
    fault(
        "dropout at test: eval() forgotten",
        "convolution",
        "train-mode-while-evaluating",
        ("    model.eval()\n", ""),
    ),
    fault(
        "dropout at test (LSTM, nothing handed in)",
        "recurrent",
        "train-mode-while-evaluating",
        ("    model.eval()\n", ""),
    ),
    fault(
        "batch norm at test",
        "pictures",
        "train-mode-while-evaluating",
        ("        net.eval()\n", ""),
    ),
    fault(
        "dropout as a function that does not know the mode",
        "convolution",
        "train-mode-while-evaluating",
        ("self.dropout(pooled)", "torch.nn.functional.dropout(pooled, 0.5)"),
    ),
    fault(
        "gradients kept in evaluation",
        "convolution",
        "gradients-while-evaluating",
        ("    with torch.no_grad():\n", "    if True:\n"),
    ),
    fault(
        "gradients kept in evaluation, losses in a list",
        "gated",
        "gradients-while-evaluating loss-kept-with-graph",
        ("    with torch.inference_mode():\n", "    if True:\n"),
    ),
    fault(
        "evaluation also learns: backward and step copied along",
        "recurrent",
        "dev-in-train gradients-while-evaluating",
        ("    with torch.no_grad():\n", "    if True:\n"),
        ("def run_dev(model: Tagger, loader", "def run_dev(model: Tagger, opt, loader"),
        ("run_dev(model, dev_loader)", "run_dev(model, opt, dev_loader)"),
        (
            "            n += len(y)\n",
            "            n += len(y)\n            opt.zero_grad()\n"
            "            F.cross_entropy(logits, y).backward()\n"
            "            opt.step()\n",
        ),
    ),
    # ---- the loss ------------------------------------------------------------------------------------------------
    fault(
        "softmax in the model",
        "convolution",
        "softmax-before-loss",
        ("return logits", "return logits.softmax(dim=1)"),
    ),
    fault(
        "softmax in the model, a tuple returned, functional loss",
        "recurrent",
        "softmax-before-loss",
        (
            "return self.fc(self.drop(state)), state",
            "return F.softmax(self.fc(self.drop(state)), dim=-1), state",
        ),
    ),
    fault(
        "nn.Softmax as last layer (criterion handed in)",
        "bag",
        "softmax-before-loss",
        (
            "        nn.Linear(64, corpus.relations),\n",
            "        nn.Linear(64, corpus.relations),\n        nn.Softmax(dim=1),\n",
        ),
    ),
    fault(
        "softmax outside the model",
        "convolution",
        "softmax-before-loss",
        ("loss = criterion(scores, train", "loss = criterion(torch.softmax(scores, dim=1), train"),
    ),
    fault(
        "softmax outside the model, functional loss",
        "recurrent",
        "softmax-before-loss",
        ("loss = F.cross_entropy(logits, y)", "loss = F.cross_entropy(F.softmax(logits, dim=1), y)"),
    ),
    fault(
        "sigmoid in the model",
        "convolution",
        "softmax-before-loss",
        ("return logits", "return torch.sigmoid(logits)"),
    ),
    fault(
        "sigmoid outside, dict returned (criterion handed in)",
        "gated",
        "softmax-before-loss",
        ('loss_function(output["logits"], batch', 'loss_function(output["logits"].sigmoid(), batch'),
    ),
    fault(
        "sigmoid twice (BCEWithLogits)",
        "binary",
        "softmax-before-loss",
        ("nn.BCELoss()", "nn.BCEWithLogitsLoss()"),
    ),
    fault(
        "relu on the scores",
        "convolution",
        "softmax-before-loss",
        ("return logits", "return logits.relu()"),
    ),
    fault(
        "NLL loss on raw scores",
        "features",
        "softmax-before-loss loss-at-init learning-rate-too-large",
        ("        nn.LogSoftmax(dim=1),\n", ""),
    ),
    fault(
        "log-softmax over the batch instead of the classes",
        "features",
        "softmax-before-loss loss-at-init",
        ("nn.LogSoftmax(dim=1)", "nn.LogSoftmax(dim=0)"),
    ),
    fault(
        "loss summed up with its graph",
        "convolution",
        "loss-kept-with-graph",
        ("total += loss.item() * len(rows)", "total += loss * len(rows)"),
        ("total / len(order)", "float(total) / len(order)"),
    ),
    fault(
        "losses kept in a list with their graphs, over all epochs",
        "recurrent",
        "loss-kept-with-graph",
        ("    accuracies = []", "    accuracies = []\n    losses = []"),
        ("            running_loss += loss.item()", "            losses.append(loss)"),
    ),
    fault(
        "scores kept with their graph",
        "bag",
        "loss-kept-with-graph",
        ("            epoch_loss, n =", "            outputs = []\n            epoch_loss, n ="),
        ("                n += 1\n", "                n += 1\n                outputs.append(out)\n"),
    ),
    fault(
        "NaN from a log",
        "convolution",
        "not-finite",
        (
            "loss = criterion(scores, train.relations[rows])",
            "p = scores.relu() / scores.relu().sum(dim=1, keepdim=True)\n"
            "            loss = -torch.log(p[range(len(rows)), train.relations[rows]]).mean()",
        ),
    ),
    fault(
        "NaN gradient from a root at zero, loss finite",
        "siamese",
        "not-finite",
        ("nn.Dropout(0.1)", "nn.Dropout(0.0)"),
        (
            "similarity = (encoder(x[a]) * encoder(x[b])).sum(dim=1)",
            "similarity = 1 - ((encoder(x[a]) - encoder(x[b])) ** 2).sum(dim=1).sqrt()",
        ),
    ),
    fault(
        "output weights start 100 times too large",
        "convolution",
        "loss-at-init",
        (
            "        self.output = nn.Linear(60, relations)",
            "        self.output = nn.Linear(60, relations)\n"
            "        nn.init.normal_(self.output.weight, std=5)",
        ),
    ),
    fault(
        "softmax before the loss (L-BFGS, a linear model)", "closure", "softmax-before-loss", LINEAR, SOFTMAX
    ),
    # ---- input ---------------------------------------------------------------------------------------------------
    fault(
        "relation ids shifted in dev",
        "convolution",
        "relation-ids-mismatch",
        (
            "    train, dev = corpus.train, corpus.dev",
            "    train, dev = corpus.train, corpus.dev\n"
            "    dev = dev._replace(relations=(dev.relations + 1) % corpus.relations)",
        ),
    ),
    fault(
        "relation ids sorted by name in dev, by count in train",
        "convolution",
        "relation-ids-mismatch",
        (
            "    train, dev = corpus.train, corpus.dev",
            "    train, dev = corpus.train, corpus.dev\n"
            "    dev = dev._replace(relations=torch.tensor([2, 1, 0, 3])[dev.relations])",
        ),
    ),
    fault(
        "relations shuffled in train",
        "convolution",
        "uninformative-input",
        (
            "    train, dev = corpus.train, corpus.dev",
            "    train, dev = corpus.train, corpus.dev\n"
            "    train = train._replace(relations=train.relations[torch.randperm(len(train.relations))])",
        ),
    ),
    fault(
        "rows permuted for the sentences and not for the relations",
        "features",
        "uninformative-input",
        (
            "loss = F.nll_loss(model(x_train[b]), y_train[b])",
            "loss = F.nll_loss(model(x_train[b]), y_train[i : i + 30])",
        ),
    ),
    fault(
        "mentions swapped in dev",
        "convolution",
        "mentions-swapped",
        (
            "model(dev.words[rows], dev.heads[rows], dev.tails[rows])",
            "model(dev.words[rows], dev.tails[rows], dev.heads[rows])",
        ),
    ),
    fault(
        "position inputs zeroed",
        "convolution",
        "positions-unused",
        (
            "self.head_embedding(heads), self.tail_embedding(tails)",
            "self.head_embedding(heads * 0), self.tail_embedding(tails * 0)",
        ),
    ),
    fault(
        "no shuffling on sorted data",
        "convolution",
        "no-shuffling",
        ("order = torch.randperm(len(train.relations))", "order = train.relations.argsort()"),
    ),
    fault(
        "no shuffling on sorted data (loader, nothing handed in)",
        "recurrent",
        "no-shuffling",
        (
            "make_loader(corpus.train, shuffle=True)",
            "make_loader(Split(*(each[corpus.train.relations.argsort()] for each in corpus.train)), "
            "shuffle=False)",
        ),
    ),
    fault(
        "no shuffling on sorted data (generator, SGD)",
        "bag",
        "no-shuffling",
        (
            "batches(corpus.train, 32)",
            "batches(Split(*(each[corpus.train.relations.argsort()] for each in corpus.train)), 32, False)",
        ),
    ),
    fault(
        "the same batch every time",
        "convolution",
        "same-batch",
        ("order = torch.randperm(len(train.relations))", "order = torch.arange(len(train.relations))"),
        ("rows = order[start : start + BATCH]", "rows = order[:BATCH]"),
    ),
    fault(
        "the same batch every time (loader handed in)",
        "gated",
        "same-batch",
        (
            "        for batch in train_loader:\n            output",
            "        for _i in range(len(train_loader)):\n            output",
        ),
        ("    for _ in range(3):", "    batch = next(iter(train_loader))\n    for _ in range(3):"),
    ),
    fault(
        "dev in train",
        "convolution",
        "dev-in-train",
        (
            "    train, dev = corpus.train, corpus.dev",
            "    train, dev = corpus.train, corpus.dev\n"
            "    train = Split(*(torch.cat(pair) for pair in zip(train, dev, strict=True)))",
        ),
    ),
    fault(
        "dev is a part of train (LSTM)",
        "recurrent",
        "dev-in-train",
        (
            "dev_loader = make_loader(corpus.dev,",
            "dev_loader = make_loader(Split(*(each[:600] for each in corpus.train)),",
        ),
    ),
    # ---- the size of steps ---------------------------------------------------------------------------------------
    fault(
        "rate 100 times too small (Adam)",
        "convolution",
        "learning-rate-too-small",
        ("lr=0.001", "lr=0.00001"),
    ),
    fault("rate 100 times too small (SGD)", "bag", "learning-rate-too-small", ("lr=0.1", "lr=0.001")),
    fault(
        "rate 100 times too large (Adam)", "convolution", "learning-rate-too-large", ("lr=0.001", "lr=0.1")
    ),
    fault("rate 100 times too large (LSTM)", "recurrent", "learning-rate-too-large", ("lr=2e-3", "lr=0.2")),
    fault("rate 100 times too large (SGD)", "bag", "learning-rate-too-large not-finite", ("lr=0.1", "lr=10")),
    fault(
        "schedule stepped each batch instead of each epoch",
        "gated",
        "learning-rate-too-small",
        ("        scheduler.step()\n", ""),
        ("            optimizer.step()\n", "            optimizer.step()\n            scheduler.step()\n"),
    ),
    fault(
        "weight decay too strong (Adam)",
        "convolution",
        "weight-decay-dominates",
        ("lr=0.001)", "lr=0.001, weight_decay=0.3)"),
    ),
    fault(
        "weight decay too strong (SGD)",
        "bag",
        "weight-decay-dominates",
        ("momentum=0.9)", "momentum=0.9, weight_decay=0.1)"),
    ),
    fault(
        "clipping at 1e-3 (SGD)",
        "bag",
        "clipping-always",
        (
            "                optim.step()\n",
            "                nn.utils.clip_grad_norm_(net.parameters(), 1e-3)\n"
            "                optim.step()\n",
        ),
    ),
    # ---- capacity ------------------------------------------------------------------------------------------------
    fault(
        "two filters only",
        "convolution",
        "too-simple",
        ("Conv1d(40, 60,", "Conv1d(40, 2,"),
        ("nn.Linear(60, relations)", "nn.Linear(2, relations)"),
    ),
    fault("dropout 0.95", "convolution", "dropout-too-high", ("nn.Dropout(0.5)", "nn.Dropout(0.95)")),
    fault(
        "dropout 0.95 on the embeddings (LSTM)",
        "recurrent",
        "dropout-too-high",
        ("nn.Dropout(0.3)", "nn.Dropout(0.95)"),
    ),
    fault(
        "dead ReLUs by a bias",
        "convolution",
        "dead-filters",
        (
            "        self.dropout =",
            "        nn.init.constant_(self.convolution.bias, -10)\n        self.dropout =",
        ),
    ),
    fault(
        "dead ReLUs by a bias (second linear layer)",
        "features",
        "dead-filters",
        ("    optimizer =", "    nn.init.constant_(model[3].bias, -20)\n    optimizer ="),
    ),
    # ---- scores --------------------------------------------------------------------------------------------------
    fault(
        "majority collapse by class weights",
        "convolution",
        "majority-collapse",
        ("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(weight=torch.tensor([100.0, 0.1, 0.1, 0.1]))"),
    ),
    fault(
        "macro-F1 averaged over batches",
        "convolution",
        "score-averaged-over-batches",
        (
            'score = f1_score(gold, predicted, average="macro", zero_division=0)',
            "scores = [\n            f1_score(gold[i : i + BATCH], predicted[i : i + BATCH], "
            'average="macro", zero_division=0)\n'
            "            for i in range(0, len(gold), BATCH)\n        ]\n"
            "        score = sum(scores) / len(scores)",
        ),
    ),
    fault(
        "epoch loss not divided",
        "convolution",
        "epoch-loss-not-averaged",
        ("train_loss = total / len(order)", "train_loss = total"),
    ),
    fault(
        "epoch loss not divided by the batches",
        "bag",
        "epoch-loss-not-averaged",
        ("train_loss=epoch_loss / n", "train_loss=epoch_loss"),
    ),
    fault(
        "sum of batch means divided by the sentences",
        "gated",
        "epoch-loss-not-averaged",
        ("train_loss / len(train_loader)", "train_loss / len(corpus.train.relations)"),
    ),
    # ---- streams and labels --------------------------------------------------------------------------------------
    fault(
        "a stream sorted by class",
        "stream",
        "no-shuffling",
        ("torch.randperm(len(self.y))", "self.y.argsort()"),
    ),
    fault(
        "train mode once, before the loop over a stream",
        "stream",
        "eval-mode-while-training",
        (
            "    for _epoch in range(6):\n        model.train()\n",
            "    model.train()\n    for _epoch in range(6):\n",
        ),
    ),
    fault(
        "a stream evaluated with gradients",
        "stream",
        "gradients-while-evaluating",
        ("with torch.no_grad():", "with torch.enable_grad():"),
    ),
    fault(
        "many labels: a sigmoid before a loss that has its own",
        "labels",
        "softmax-before-loss",
        ("nn.Linear(64, 6))", "nn.Linear(64, 6), nn.Sigmoid())"),
    ),
    fault(
        "many labels: the logarithm of a sigmoid that is 0",
        "labels",
        "not-finite",
        (
            "functional.binary_cross_entropy_with_logits(logits, labels[rows])",
            "-(labels[rows] * (300 * logits).sigmoid().log() + (1 - labels[rows]) * "
            "(-300 * logits).sigmoid().log()).mean()",
        ),
    ),
]

OPTIMIZER = "torch.optim.Adam(model.parameters(), lr=0.001)"
READ = "    train, dev = corpus.train, corpus.dev"

CONTROLS = [
    *(
        healthy(f"as it is: {loop}", loop)
        for loop in (
            "convolution",
            "recurrent",
            "bag",
            "gated",
            "features",
            "language_model",
            "attention",
            "regression",
            "siamese",
            "adversarial",
            "pictures",
            "closure",
            "binary",
        )
    ),
    *(
        healthy(
            f"convolution with {optimizer}",
            "convolution",
            (OPTIMIZER, f"torch.optim.{optimizer.replace('(', '(model.parameters(), ')}"),
        )
        for optimizer in (
            "SGD(lr=0.1)",
            "SGD(lr=0.01)",
            "SGD(lr=0.01, momentum=0.9)",
            "Adagrad(lr=0.1)",
            "AdamW(lr=0.001, weight_decay=0.01)",
            "RMSprop(lr=0.001)",
            "NAdam(lr=0.002)",
            "Adadelta(lr=1.0)",
            "Adam(lr=0.0003)",
            "Adam(lr=0.003)",
            "Adam(lr=0.001, weight_decay=0.0001)",
        )
    ),
    healthy(
        "warm-up over 500 updates, then linear decay",
        "convolution",
        (
            "    watch =",
            "    rate = lambda step: min(1.0, (step + 1) / 500)\n"
            "    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)\n    watch =",
        ),
        ("            optimizer.step()\n", "            optimizer.step()\n            schedule.step()\n"),
    ),
    healthy(
        "one-cycle, stepped each batch on purpose",
        "features",
        (
            "    w = relclf",
            "    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=500)\n"
            "    w = relclf",
        ),
        ("            optimizer.step()\n", "            optimizer.step()\n            cycle.step()\n"),
    ),
    healthy(
        "large network: 400 filters",
        "convolution",
        ("Conv1d(40, 60,", "Conv1d(40, 400,"),
        ("nn.Linear(60, relations)", "nn.Linear(400, relations)"),
    ),
    healthy(
        "small network: 20 filters",
        "convolution",
        ("Conv1d(40, 60,", "Conv1d(40, 20,"),
        ("nn.Linear(60, relations)", "nn.Linear(20, relations)"),
    ),
    healthy("large LSTM", "recurrent", ("hidden: int = 32", "hidden: int = 100")),
    healthy(
        "balanced data",
        "convolution",
        (
            READ,
            READ + "\n    rows = torch.cat([(train.relations == r).nonzero()[:84, 0] for r in range(4)])\n"
            "    train = Split(*(each[rows] for each in train))",
        ),
        ("EPOCHS = 5", "EPOCHS = 15"),
        ("BATCH = 50", "BATCH = 16"),
    ),
    healthy(
        "imbalanced data: 95 % of one relation",
        "convolution",
        (
            READ,
            READ
            + "\n    rows = [(train.relations == r).nonzero()[:n, 0] for r, n in ((0, 1736), (1, 90))]\n"
            + "    rows = torch.cat(rows)\n"
            "    train = Split(*(each[rows] for each in train))\n"
            "    rows = torch.cat([(dev.relations == 0).nonzero()[:, 0], (dev.relations == "
            "1).nonzero()[:20, 0]])\n"
            "    dev = Split(*(each[rows] for each in dev))",
        ),
    ),
    healthy(
        "pretrained word vectors frozen on purpose",
        "convolution",
        (
            "    criterion = nn.CrossEntropyLoss()\n",
            "    together = torch.zeros(corpus.words, corpus.words)\n"
            "    for step in (1, 2, 3):\n"
            "        left, right = train.words[:, :-step].flatten(), train.words[:, step:].flatten()\n"
            "        together.index_put_((left, right), torch.tensor(1.0), accumulate=True)\n"
            "    u, s, _ = torch.svd_lowrank(torch.log1p(together + together.T), q=30)\n"
            "    model.word_embedding = nn.Embedding.from_pretrained(u * s.sqrt(), freeze=True)\n"
            "    criterion = nn.CrossEntropyLoss()\n",
        ),
        (
            "Adam(model.parameters(), lr=0.001)",
            "Adam([p for p in model.parameters() if p.requires_grad], lr=0.001)",
        ),
    ),
    healthy(
        "first layer frozen, the head is fine-tuned",
        "features",
        (
            "    optimizer =",
            "    for p in model[0].parameters():\n        p.requires_grad = False\n    optimizer =",
        ),
    ),
    healthy(
        "embeddings unfrozen after two epochs",
        "gated",
        (
            "    for _ in range(3):\n",
            "    for number in range(3):\n        model.embeddings.requires_grad_(number >= 1)\n",
        ),
    ),
    healthy(
        "accumulation over 4 batches, divided (SGD)",
        "bag",
        (
            "                net.zero_grad()\n                loss.backward()\n"
            "                optim.step()\n",
            "                (loss / 4).backward()\n                if n % 4 == 3:\n"
            "                    optim.step()\n                    net.zero_grad()\n",
        ),
    ),
    healthy(
        "accumulation over 4 batches, divided (Adam, the last ones too)",
        "recurrent",
        (
            "for x, h, t, lengths, y in train_loader:\n            opt.zero_grad()\n",
            "for i, (x, h, t, lengths, y) in enumerate(train_loader):\n",
        ),
        (
            "            loss.backward()\n            opt.step()\n",
            "            (loss / 4).backward()\n"
            "            if (i + 1) % 4 == 0 or i + 1 == len(train_loader):\n"
            "                opt.step()\n                opt.zero_grad()\n",
        ),
    ),
    healthy(
        "full batch",
        "features",
        ("range(10)", "range(150)"),
        ("range(0, len(perm), 30)", "range(1)"),
        ("b = perm[i : i + 30]", "b = perm"),
    ),
    healthy(
        "batches of 4 (SGD 0.01)",
        "features",
        ("RMSprop(model.parameters(), lr=1e-3)", "SGD(model.parameters(), lr=0.01)"),
        ("len(perm), 30)", "len(perm), 4)"),
        ("i + 30]", "i + 4]"),
        ("range(10)", "range(3)"),
    ),
    healthy(
        "clipping at 1.0",
        "recurrent",
        (
            "            opt.step()\n",
            "            nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n            opt.step()\n",
        ),
    ),
    healthy(
        "moderate class weights",
        "convolution",
        ("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(weight=torch.tensor([0.5, 0.8, 2.0, 2.5]))"),
    ),
    healthy(
        "label smoothing", "gated", ("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(label_smoothing=0.1)")
    ),
    healthy(
        "focal loss by hand",
        "recurrent",
        (
            "loss = F.cross_entropy(logits, y)",
            "p = F.log_softmax(logits, -1).gather(1, y[:, None])\n"
            "            loss = -((1 - p.exp()) ** 2 * p).mean()",
        ),
    ),
    healthy(
        "log-softmax twice, which changes nothing",
        "recurrent",
        ("F.cross_entropy(logits, y)", "F.cross_entropy(F.log_softmax(logits, dim=1), y)"),
    ),
    healthy(
        "softmax only for the predictions",
        "recurrent",
        ("(logits.argmax(-1) == y)", "(logits.softmax(-1).argmax(-1) == y)"),
    ),
    healthy(
        "mean squared error on a softmax (Brier score)",
        "bag",
        (
            "loss_fn = nn.CrossEntropyLoss()",
            "loss_fn = lambda out, y: ((out.softmax(1) - nn.functional.one_hot(y, 4)) ** 2).sum(1).mean()",
        ),
    ),
    healthy(
        "one sigmoid a relation, BCEWithLogits",
        "bag",
        (
            "loss_fn = nn.CrossEntropyLoss()",
            "loss_fn = lambda out, y: nn.functional.binary_cross_entropy_with_logits(out, "
            "nn.functional.one_hot(y, 4).float())",
        ),
    ),
    healthy("multi-class hinge loss", "bag", ("nn.CrossEntropyLoss()", "nn.MultiMarginLoss()")),
    healthy(
        "the loss is a sum over the batch, the rate smaller",
        "bag",
        ("nn.CrossEntropyLoss()", "nn.CrossEntropyLoss(reduction='sum')"),
        ("lr=0.1", "lr=0.003"),
        ("epoch_loss / n", "epoch_loss / 2800"),
    ),
    healthy(
        "labels from 1, a fifth output never used",
        "bag",
        ("out = net(x)\n", "out, y = net(x), y + 1\n"),
        ("nn.Linear(64, corpus.relations)", "nn.Linear(64, corpus.relations + 1)"),
        ("net(x).argmax(1) == y", "net(x).argmax(1) == y + 1"),
    ),
    healthy(
        "train and dev evaluated each epoch",
        "convolution",
        (
            "        gold = dev",
            "        train_loss, _ = evaluate(model, train, criterion)\n        gold = dev",
        ),
    ),
    healthy(
        "evaluated before the first update",
        "recurrent",
        ("    accuracies = []", "    accuracies = [run_dev(model, dev_loader)]"),
    ),
    healthy(
        "evaluated every 20 updates in the middle of the epoch",
        "recurrent",
        (
            "for x, h, t, lengths, y in train_loader:",
            "for i, (x, h, t, lengths, y) in enumerate(train_loader):",
        ),
        (
            "            running_loss += loss.item()",
            "            running_loss += loss.item()\n            if i % 20 == 19:\n"
            "                run_dev(model, dev_loader)\n                model.train()",
        ),
    ),
    healthy(
        "accuracy on each training batch, without gradients, in train mode",
        "bag",
        (
            "                optim.step()\n",
            "                optim.step()\n                with torch.no_grad():\n"
            "                    net(x).argmax(1)\n",
        ),
    ),
    healthy("one epoch", "convolution", ("EPOCHS = 5", "EPOCHS = 1")),
    healthy(
        "one epoch of five updates",
        "convolution",
        ("EPOCHS = 5", "EPOCHS = 1"),
        ("range(0, len(order), BATCH)", "range(0, 5 * BATCH, BATCH)"),
    ),
    healthy(
        "gradient checkpointing",
        "attention",
        ("states = self.encoder(", "states = torch.utils.checkpoint.checkpoint(self.encoder, "),
        ("src_key_padding_mask=padding)", "src_key_padding_mask=padding, use_reentrant=False)"),
        ("from torch import Tensor, nn\n", "import torch.utils.checkpoint\nfrom torch import Tensor, nn\n"),
    ),
    healthy(
        "bfloat16 by autocast",
        "convolution",
        (
            "            scores = model(train",
            "            with torch.autocast('cpu', torch.bfloat16):\n                scores = model(train",
        ),
        ("loss = criterion(scores, train", "loss = criterion(scores.float(), train"),
    ),
    healthy(
        "gradient scaler",
        "features",
        ("    history = []", "    history = []\n    scaler = torch.amp.GradScaler('cpu')"),
        (
            "            loss.backward()\n            optimizer.step()\n",
            "            scaler.scale(loss).backward()\n            scaler.step(optimizer)\n"
            "            scaler.update()\n",
        ),
    ),
    healthy(
        "double precision",
        "features",
        (
            "    optimizer =",
            "    model, x_train, x_test = model.double(), x_train.double(), x_test.double()\n    optimizer =",
        ),
    ),
    healthy(
        "sparse gradients",
        "bag",
        ('mode="mean", padding_idx=0', 'mode="mean", padding_idx=0, sparse=True'),
        ("lr=0.1, momentum=0.9", "lr=0.5"),
    ),
    healthy(
        "two optimisers for one model, one of them watched",
        "recurrent",
        (
            "    opt = torch.optim.Adam(model.parameters(), lr=2e-3)\n",
            "    opt = torch.optim.Adam([p for n, p in model.named_parameters() if n != "
            "'emb.weight'], lr=2e-3)\n    second = torch.optim.SGD([model.emb.weight], lr=0.5)\n",
        ),
        ("            opt.zero_grad()\n", "            model.zero_grad()\n"),
        ("            opt.step()\n", "            opt.step()\n            second.step()\n"),
    ),
    healthy(
        "optimiser made anew after each epoch (Adam, which forgets, and goes on)",
        "convolution",
        ("        train_loss = total", f"        optimizer = {OPTIMIZER}\n        train_loss = total"),
    ),
    healthy(
        "optimiser made anew at each epoch (plain SGD, so nothing is lost)",
        "features",
        ("RMSprop(model.parameters(), lr=1e-3)", "SGD(model.parameters(), lr=0.05)"),
        (
            "        model.train()\n",
            "        model.train()\n        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)\n",
        ),
    ),
    healthy(
        "sentences drawn by weight, with repeats",
        "recurrent",
        (
            "return DataLoader(ds, batch_size=64, shuffle=shuffle)",
            "weights = (1 / split.relations.bincount().float().sqrt())[split.relations]\n"
            "    sampler = torch.utils.data.WeightedRandomSampler(weights.tolist(), len(ds)) if "
            "shuffle else None\n    return DataLoader(ds, batch_size=64, sampler=sampler)",
        ),
    ),
    healthy(
        "sentences of like length together, batches shuffled",
        "recurrent",
        (
            "return DataLoader(ds, batch_size=64, shuffle=shuffle)",
            "groups = [g.tolist() for g in split.lengths.argsort().split(64)]\n"
            "    return DataLoader(ds, batch_sampler=torch.utils.data.SubsetRandomSampler(groups) if "
            "shuffle else groups)",
        ),
    ),
    healthy(
        "data drawn with replacement, no epochs",
        "bag",
        (
            "batches(corpus.train, 32):\n                out",
            "((corpus.train.words[i], corpus.train.relations[i]) for i in torch.randint(2800, (80, "
            "32))):\n                out",
        ),
    ),
    healthy(
        "shuffled once on disk, then always in that order",
        "recurrent",
        ("make_loader(corpus.train, shuffle=True)", "make_loader(corpus.train, shuffle=False)"),
    ),
    healthy("an auxiliary head without a loss", "pictures", (" + 0.3 * F.cross_entropy(aux, size)", "")),
    healthy(
        "losses kept detached",
        "gated",
        ("train_loss += loss.detach().item()", "train_loss += loss.detach()"),
        ("train_loss / len(train_loader)", "train_loss.item() / len(train_loader)"),
    ),
    healthy(
        "loss read without item(), a number",
        "recurrent",
        ("running_loss += loss.item()", "running_loss += float(loss)"),
    ),
    healthy(
        "penalty on the weights by hand",
        "recurrent",
        (
            "loss = F.cross_entropy(logits, y)",
            "loss = F.cross_entropy(logits, y) + 1e-4 * sum((p**2).sum() for p in model.parameters())",
        ),
    ),
    healthy(
        "weights clamped in place after each update",
        "features",
        (
            "            optimizer.step()\n",
            "            optimizer.step()\n            with torch.no_grad():\n"
            "                for p in model.parameters():\n                    p.clamp_(-2, 2)\n",
        ),
    ),
    healthy(
        "moving average of the weights beside",
        "features",
        ("    history = []", "    history = []\n    average = torch.optim.swa_utils.AveragedModel(model)"),
        (
            "            optimizer.step()\n",
            "            optimizer.step()\n            average.update_parameters(model)\n",
        ),
    ),
    healthy(
        "dropout 0.8, the usual of Srivastava's hidden layers at its end",
        "convolution",
        ("nn.Dropout(0.5)", "nn.Dropout(0.8)"),
    ),
    healthy(
        "report asked for at each epoch",
        "gated",
        ("        scheduler.step()\n", "        scheduler.step()\n        watch.report()\n"),
    ),
    healthy(
        "watched before the model moves to another dtype",
        "features",
        ("    history = []", "    history = []\n    model.float()"),
    ),
    healthy(
        "tanh everywhere, no ReLU",
        "convolution",
        ("torch.relu(self.convolution", "torch.tanh(self.convolution"),
    ),
    healthy(
        "eight relations' worth of outputs for four relations",
        "gated",
        ("nn.Linear(40, relations)", "nn.Linear(40, 2 * relations)"),
    ),
    healthy(
        "a batch now and then is skipped",
        "recurrent",
        (
            "            logits, _ = model(x, h, t, lengths)\n            loss",
            "            logits, _ = model(x, h, t, lengths)\n"
            "            if y.min() == y.max() or torch.rand(()) < 0.1:\n"
            "                continue\n            loss",
        ),
    ),
    healthy(
        "trained on, after a first training",
        "features",
        (
            "    w = relclf",
            "    for _ in range(200):\n        optimizer.zero_grad()\n"
            "        F.nll_loss(model(x_train), y_train).backward()\n        optimizer.step()\n"
            "    w = relclf",
        ),
    ),
    healthy("a stream without a length", "stream"),
    healthy("many labels", "labels"),
    healthy(
        "many labels, a sigmoid and the loss that takes probabilities",
        "labels",
        ("nn.Linear(64, 6))", "nn.Linear(64, 6), nn.Sigmoid())"),
        ("binary_cross_entropy_with_logits", "binary_cross_entropy"),
    ),
    healthy(
        "a layer that is drawn and frozen, and a linear one that learns",
        "labels",
        ("    optimizer =", "    model[0].requires_grad_(False)\n    optimizer ="),
    ),
    healthy("a linear model with L-BFGS", "closure", LINEAR),
    healthy(
        "L-BFGS, train and dev evaluated after each update",
        "closure",
        (
            "        optimizer.step(closure)\n",
            "        optimizer.step(closure)\n        with torch.no_grad():\n"
            "            model(x[:1000]).argmax(1), model(x[1000:]).argmax(1)\n",
        ),
    ),
    healthy(
        "two passes with other dropout, held together (R-Drop)",
        "bag",
        (
            """
                out = net(x)
                loss = loss_fn(out, y)
""",
            """
                out, again = net(x), net(x)
                one, other = out.log_softmax(1), again.log_softmax(1)
                loss = (loss_fn(out, y) + loss_fn(again, y)) / 2
                for p, q in ((one, other), (other, one)):
                    loss = loss + 0.5 * nn.functional.kl_div(p, q, log_target=True, reduction="batchmean")
""",
        ),
        (
            "torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)",
            "torch.optim.Adam(net.parameters(), lr=3e-3)",
        ),
    ),
    healthy(
        "accumulation over 4 batches, divided, with what is left at the end (SGD)",
        "bag",
        (
            """
                net.zero_grad()
                loss.backward()
                optim.step()
""",
            """
                (loss / 4).backward()
                if n % 4 == 3 or len(y) < 32:
                    optim.step()
                    net.zero_grad()
""",
        ),
    ),
    healthy(
        "one cycle of the rate (OneCycleLR), stepped each batch",
        "bag",
        (
            "    with relclf",
            "    cycle = torch.optim.lr_scheduler.OneCycleLR(optim, max_lr=0.3, total_steps=6 * 88)\n    with relclf",
        ),
        ("                optim.step()\n", "                optim.step()\n                cycle.step()\n"),
    ),
]
