"""Iterators: the examples of a dataset in batches."""

from kusari.iterators.dali_iterator import DaliIterator as DaliIterator
from kusari.iterators.multiprocess_iterator import MultiprocessIterator as MultiprocessIterator
from kusari.iterators.multithread_iterator import MultithreadIterator as MultithreadIterator
from kusari.iterators.order_samplers import OrderSampler as OrderSampler
from kusari.iterators.order_samplers import ShuffleOrderSampler as ShuffleOrderSampler
from kusari.iterators.serial_iterator import SerialIterator as SerialIterator
from kusari.iterators.worker_pool import WorkerDied as WorkerDied
