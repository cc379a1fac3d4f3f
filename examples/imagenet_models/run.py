"""Run ResNet-50 and GoogLeNet forward and backward on random images, on any backend, and time them.

    python examples/imagenet_models/run.py [--backend numpy] [--compare torch] [--smoke]

``--compare torch`` runs the same networks in plain torch.nn beside them, checks that both give the same scores, and
prints the ratio of the times. ``--smoke`` takes the smallest images and one round.
"""

from __future__ import annotations

import argparse
import os


def main() -> None:
    """Read the arguments, set the number of threads, then load what depends on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="numpy", help="a backend's name: numpy, cupy:0, triton:0")
    parser.add_argument("--models", nargs="+", choices=["ResNet50", "GoogLeNet"], default=["ResNet50", "GoogLeNet"])
    parser.add_argument("--batch-size", type=int, help="images at a time; 8, or 1 for --smoke")
    parser.add_argument("--rounds", type=int, help="runs of each; 5, or 1 for --smoke")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU, for both libraries")
    parser.add_argument("--compare", choices=["torch"], help="a library whose times stand beside ours")
    parser.add_argument("--smoke", action="store_true", help="a quick look at whether it runs")
    arguments = parser.parse_args()
    arguments.batch_size = arguments.batch_size or (1 if arguments.smoke else 8)
    arguments.rounds = arguments.rounds or (1 if arguments.smoke else 5)

    # Libraries read these when they are loaded.
    for variable in ("KUSARI_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)
    from measure import measure

    for name in arguments.models:
        measure(name, arguments)


if __name__ == "__main__":
    main()
