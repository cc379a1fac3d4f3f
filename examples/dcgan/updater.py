"""The updater: both networks learn at each iteration, each by a loss and an optimizer of its own."""

from __future__ import annotations

from typing import Any

import kusari
import kusari.functions as F
from kusari import training


class DCGANUpdater(training.updaters.StandardUpdater):
    """Train a generator and a discriminator; optimizers are given by the names ``gen`` and ``dis``."""

    def __init__(self, models: tuple[Any, Any], iterator: Any, optimizer: dict[str, Any], device: Any) -> None:
        self.gen, self.dis = models
        super().__init__(iterator, optimizer, device=device)

    def loss_dis(self, y_fake: Any, y_real: Any) -> kusari.Variable:
        """Return what the discriminator is to lower: −ln σ(real) − ln(1 − σ(fake)), the mean."""
        loss = (F.sum(F.softplus(-y_real)) + F.sum(F.softplus(y_fake))) / len(y_fake)
        kusari.report({"loss": loss}, self.dis)
        return loss

    def loss_gen(self, y_fake: Any) -> kusari.Variable:
        """Return what the generator is to lower: −ln σ(fake), the mean."""
        loss = F.sum(F.softplus(-y_fake)) / len(y_fake)
        kusari.report({"loss": loss}, self.gen)
        return loss

    def update_core(self) -> None:
        """Judge a batch of real and one of drawn pictures, and let both networks learn from it."""
        x_real = self.converter(self.get_iterator("main").next(), self.device)
        y_real = self.dis(x_real)
        x_fake = self.gen(self.gen.make_hidden(len(x_real)))
        y_fake = self.dis(x_fake)
        self.get_optimizer("gen").update(self.loss_gen, y_fake)
        x_fake.unchain_backward()  # the discriminator's gradient stops at the pictures
        self.get_optimizer("dis").update(self.loss_dis, y_fake, y_real)
