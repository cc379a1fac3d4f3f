"""Train a language model of LSTM layers on the Penn Treebank, by truncated backpropagation through time.

    python examples/ptb/train_ptb.py [--device numpy] [--epoch 39] [--resume] [--smoke]

``--smoke`` trains for seconds on a short generated text, without a network: to see that everything is installed.

Source: Zaremba, Sutskever, Vinyals, 2014, arXiv:1409.2329.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

import numpy as np

import kusari
import kusari.functions as F
import kusari.links as L
from kusari import training
from kusari.training import extensions


class LanguageModel(kusari.Chain):
    """Scores (N, words) of the next word after words (N,); remembers what it read until `reset_state`."""

    def __init__(self, n_vocab: int, n_units: int) -> None:
        super().__init__()
        with self.init_scope():
            self.embed = L.EmbedID(n_vocab, n_units)
            self.l1 = L.LSTM(n_units, n_units)
            self.l2 = L.LSTM(n_units, n_units)
            self.l3 = L.Linear(n_units, n_vocab)
        fill = kusari.initializers.Uniform(0.1)
        for param in self.params():
            fill(param.array)
            param.touch()  # written in place: whoever prepared something from the old values must not use it

    def reset_state(self) -> None:
        """Forget what was read."""
        self.l1.reset_state()
        self.l2.reset_state()

    def forward(self, x: Any) -> kusari.Variable:
        """Read a word of each sequence."""
        h0 = self.embed(x)
        h1 = self.l1(F.dropout(h0))
        h2 = self.l2(F.dropout(h1))
        return self.l3(F.dropout(h2))


class ParallelSequences(kusari.dataset.Iterator):
    """Read one long text at several places at once.

    Each batch has the next word of every place, with the word after it; successive batches are successive words. With
    ``repeat=False`` it ends when all places together have read the text once.
    """

    def __init__(self, words: Any, batch_size: int, repeat: bool = True) -> None:
        self.words = words
        self.batch_size = batch_size
        self.repeat = repeat
        self.offsets = [i * len(words) // batch_size for i in range(batch_size)]
        self.reset()

    def reset(self) -> None:
        """Go back to the beginning."""
        self.iteration = 0
        self.epoch = 0
        self.is_new_epoch = False
        self.previous_epoch_detail = -1.0

    def __next__(self) -> list[tuple[Any, Any]]:
        length = len(self.words)
        if not self.repeat and self.iteration * self.batch_size >= length:
            raise StopIteration
        self.previous_epoch_detail = self.epoch_detail
        now = self._words_at(self.iteration)
        self.iteration += 1
        after = self._words_at(self.iteration)
        epoch = self.iteration * self.batch_size // length
        self.is_new_epoch = self.epoch < epoch
        self.epoch = epoch
        return list(zip(now, after, strict=True))

    def _words_at(self, iteration: int) -> list[Any]:
        return [self.words[(offset + iteration) % len(self.words)] for offset in self.offsets]

    @property
    def epoch_detail(self) -> float:
        """How many times the text was read."""
        return self.iteration * self.batch_size / len(self.words)

    def serialize(self, serializer: Any) -> None:
        """Save or load how far it has read."""
        self.iteration = serializer("iteration", self.iteration)
        self.epoch = serializer("epoch", self.epoch)
        self.previous_epoch_detail = serializer("previous_epoch_detail", self.previous_epoch_detail)


class BPTTUpdater(training.updaters.StandardUpdater):
    """Update after every few words; gradients reach back as far and no further, the memory goes on."""

    def __init__(self, iterator: Any, optimizer: Any, bprop_len: int, device: Any) -> None:
        super().__init__(iterator, optimizer, device=device)
        self.bprop_len = bprop_len

    def update_core(self) -> None:
        """Read so many words, and update once."""
        iterator, optimizer = self.get_iterator("main"), self.get_optimizer("main")
        loss: Any = 0
        for _ in range(self.bprop_len):
            x, t = self.converter(next(iterator), self.device)
            loss += optimizer.target(x, t)
        optimizer.target.cleargrads()
        loss.backward()
        loss.unchain_backward()  # what comes before is not needed any more
        optimizer.update()


def add_perplexity(entry: dict[str, Any]) -> None:
    """Add e to the loss: among how many words the model hesitates."""
    entry["perplexity"] = math.exp(entry["main/loss"])
    if "validation/main/loss" in entry:
        entry["val_perplexity"] = math.exp(entry["validation/main/loss"])


def generated(size: int, n_vocab: int, seed: int) -> Any:
    """Return a text in which nine words of ten follow from the one before."""
    follower = np.random.default_rng(0).permutation(n_vocab)
    rng = np.random.default_rng(seed)
    words = np.zeros(size, "i")
    for i in range(1, size):
        words[i] = follower[words[i - 1]] if rng.random() < 0.9 else rng.integers(n_vocab)
    return words


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batchsize", "-b", type=int, default=20, help="number of places to read at")
    parser.add_argument("--bproplen", "-l", type=int, default=35, help="number of words between two updates")
    parser.add_argument("--epoch", "-e", type=int, default=39)
    parser.add_argument("--gradclip", "-c", type=float, default=5, help="largest norm of a gradient")
    parser.add_argument("--unit", "-u", type=int, default=650, help="number of units in a layer")
    parser.add_argument("--device", "--backend", "-d", default="numpy", help="numpy, cupy:0, triton:0")
    parser.add_argument("--out", "-o", default="ptb-result", help="output folder")
    parser.add_argument("--resume", "-r", action="store_true", help="go on from the newest snapshot in it")
    parser.add_argument("--smoke", action="store_true", help="a short generated text, few units, four epochs")
    args = parser.parse_args()

    if args.smoke:
        kusari.seed(0)
        args.epoch, args.unit, args.bproplen, n_vocab = 4, 32, 10, 12
        train, valid = generated(6000, n_vocab, seed=1), generated(600, n_vocab, seed=2)
    else:
        train, valid, _ = kusari.datasets.get_ptb_words()
        n_vocab = int(train.max()) + 1

    model = L.Classifier(LanguageModel(n_vocab, args.unit))
    model.compute_accuracy = False  # only the loss is of interest
    optimizer = kusari.optimizers.SGD(lr=1.0)
    optimizer.setup(model)
    optimizer.add_hook(kusari.optimizer_hooks.GradientClipping(args.gradclip))

    train_iter = ParallelSequences(train, args.batchsize)
    valid_iter = ParallelSequences(valid, 1 if not args.smoke else 20, repeat=False)
    updater = BPTTUpdater(train_iter, optimizer, args.bproplen, args.device)
    trainer = training.Trainer(updater, (args.epoch, "epoch"), out=args.out)
    # The validation text is read by a copy: it has the same parameters, and a memory of its own.
    reader = model.copy()
    trainer.extend(
        extensions.Evaluator(valid_iter, reader, device=args.device, eval_hook=lambda _: reader.predictor.reset_state())
    )
    # The learning rate stays for six epochs, then falls by a sixth in each.
    decay = training.triggers.ManualScheduleTrigger(list(range(6, args.epoch)), "epoch")
    trainer.extend(extensions.ExponentialShift("lr", 1 / 1.2), trigger=decay)
    trainer.extend(extensions.LogReport(postprocess=add_perplexity))
    trainer.extend(extensions.PrintReport(["epoch", "iteration", "perplexity", "val_perplexity", "elapsed_time"]))
    trainer.extend(extensions.snapshot(n_retains=1, autoload=args.resume))
    if sys.stdout.isatty():
        trainer.extend(extensions.ProgressBar(update_interval=10))
    trainer.run()
    kusari.serializers.save_npz(f"{args.out}/model.npz", model.predictor)


if __name__ == "__main__":
    main()
