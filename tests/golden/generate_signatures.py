"""Write signatures.json: how the documented names of training and data are called in the original, and what they have.

It is run as a black box, in the environment that generate.py describes:

    python tests/golden/generate_signatures.py
"""

from __future__ import annotations

import inspect
import json
import operator
from pathlib import Path
from typing import Any

import chainer
import chainer.dataset.tabular  # so that it can be found below `chainer`

NAMES = {
    "optimizers": """
        AdaDelta AdaGrad Adam AdamW AMSGrad AdaBound AMSBound CorrectedMomentumSGD MomentumSGD NesterovAG MSVAG
        RMSprop RMSpropGraves SGD SMORMS3
    """,
    "": """
        Optimizer UpdateRule GradientMethod Initializer Reporter get_current_reporter report report_scope Summary
        DictSummary
    """,
    "optimizer": """
        Hyperparameter
    """,
    "optimizer_hooks": """
        WeightDecay Lasso GradientClipping GradientHardClipping GradientNoise GradientLARS
    """,
    "initializers": """
        Identity Constant Zero One NaN Normal LeCunNormal GlorotNormal HeNormal Orthogonal Uniform LeCunUniform
        GlorotUniform HeUniform UpsamplingDeconvFilter DownsamplingConvFilter generate_array
    """,
    "training": """
        Trainer Updater Extension make_extension get_trigger
    """,
    "training.updaters": """
        StandardUpdater ParallelUpdater MultiprocessParallelUpdater
    """,
    "training.extensions": """
        Evaluator MicroAverage FailOnNonNumber ParameterStatistics observe_lr observe_value ExponentialShift
        InverseShift LinearShift MultistepShift PolynomialShift WarmupShift StepShift PrintReport ProgressBar
        LogReport PlotReport VariableStatisticsPlot DumpGraph snapshot snapshot_object unchain_variables
    """,
    "training.triggers": """
        BestValueTrigger EarlyStoppingTrigger IntervalTrigger ManualScheduleTrigger MaxValueTrigger MinValueTrigger
        OnceTrigger TimeTrigger
    """,
    "training.extensions.snapshot_writers": """
        Writer SimpleWriter ThreadWriter ProcessWriter QueueWriter ThreadQueueWriter ProcessQueueWriter
    """,
    "dataset": """
        DatasetMixin TabularDataset Iterator Converter converter concat_examples ConcatWithAsyncTransfer to_device
        get_dataset_root set_dataset_root cached_download cache_or_load_file
    """,
    "dataset.tabular": """
        DelegateDataset from_data
    """,
    "datasets": """
        DictDataset TupleDataset ConcatenatedDataset SubDataset split_dataset split_dataset_random
        get_cross_validation_datasets get_cross_validation_datasets_random TransformDataset ImageDataset
        ZippedImageDataset MultiZippedImageDataset LabeledImageDataset LabeledZippedImageDataset TextDataset
        PickleDataset PickleDatasetWriter open_pickle_dataset open_pickle_dataset_writer get_mnist get_kuzushiji_mnist
        get_kuzushiji_mnist_labels get_fashion_mnist_labels get_fashion_mnist get_cifar10 get_cifar100 get_ptb_words
        get_ptb_words_vocabulary get_svhn
    """,
    "iterators": """
        SerialIterator MultiprocessIterator MultithreadIterator DaliIterator OrderSampler ShuffleOrderSampler
    """,
}


def described(parameter: inspect.Parameter) -> list[Any]:
    """Return a parameter's name, kind and default: plain values as they are, other ones by their type's name."""
    default = parameter.default
    if default is inspect.Parameter.empty:
        return [parameter.name, parameter.kind.name]
    plain = default is None or isinstance(default, (bool, int, float, str, tuple))
    return [parameter.name, parameter.kind.name, repr(default) if plain else f"<{type(default).__name__}>"]


def parameters(function: Any) -> list[list[Any]] | None:
    """Return the parameters of a function or a class, without self."""
    try:
        return [described(parameter) for parameter in inspect.signature(function).parameters.values()]
    except (TypeError, ValueError):  # a class without __init__ of its own
        return None


def members(cls: type) -> dict[str, Any]:
    """Return the public methods of a class with their parameters (self first), and other public attributes as None."""
    found = {}
    for name in dir(cls):
        if not name.startswith("_"):
            member = inspect.getattr_static(cls, name)
            found[name] = parameters(getattr(cls, name)) if callable(getattr(cls, name, None)) else None
            if isinstance(member, property):
                found[name] = None
    return found


def main() -> None:
    """Write everything."""
    table = {}
    for module, names in NAMES.items():
        for name in names.split():
            path = f"{module}.{name}" if module else name
            found = operator.attrgetter(path)(chainer)
            is_class = isinstance(found, type)
            table[path] = {"parameters": parameters(found), "members": members(found) if is_class else None}
    # One name a line: a change can be read.
    lines = [f"{json.dumps(path)}: {json.dumps(entry, sort_keys=True)}" for path, entry in sorted(table.items())]
    file = Path(__file__).parent / "signatures.json"
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
