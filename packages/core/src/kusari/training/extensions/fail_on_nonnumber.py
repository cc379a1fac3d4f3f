"""Ending a run whose parameters are no longer numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kusari.dtypes import is_floating
from kusari.reporter import read_number
from kusari.training.extension import Extension

if TYPE_CHECKING:
    from kusari.training.trainer import Trainer


class FailOnNonNumber(Extension):
    """Raise RuntimeError when a parameter has a NaN or an infinity: what comes after would be wasted.

    This waits for the device, once for each parameter: on a GPU, give it a trigger of more than an iteration.
    Snapshots come later in an iteration, so none has such parameters.
    """

    def __call__(self, trainer: Trainer) -> None:
        """Look at every parameter of every optimizer's target.

        Raises:
            RuntimeError: One is not finite; the message has its path.
        """
        for name, optimizer in trainer.updater.get_all_optimizers().items():
            found = [path for path, param in optimizer.target.namedparams(False) if not _is_finite(param)]
            if found:
                raise RuntimeError(
                    f"parameters of optimizer {name!r} are not finite any more: {', '.join(found)}; the training has "
                    "diverged: lower the learning rate or clip gradients, and resume from the last snapshot"
                )


def _is_finite(param: Any) -> bool:
    if not is_floating(param.dtype):
        return True
    backend = param.device.backend
    return bool(read_number(backend.as_array(param.xp.all(param.xp.isfinite(param.array)), param.array)))
