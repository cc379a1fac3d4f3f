"""Datasets and iterators as interfaces, converters, and where downloads are kept."""

from kusari.dataset import tabular as tabular
from kusari.dataset.async_transfer import ConcatWithAsyncTransfer as ConcatWithAsyncTransfer
from kusari.dataset.convert import Converter as Converter
from kusari.dataset.convert import concat_examples as concat_examples
from kusari.dataset.convert import converter as converter
from kusari.dataset.convert import to_device as to_device
from kusari.dataset.dataset_mixin import DatasetMixin as DatasetMixin
from kusari.dataset.download import cache_or_load_file as cache_or_load_file
from kusari.dataset.download import cached_download as cached_download
from kusari.dataset.download import get_dataset_root as get_dataset_root
from kusari.dataset.download import set_dataset_root as set_dataset_root
from kusari.dataset.iterator import Iterator as Iterator
from kusari.dataset.tabular.tabular_dataset import TabularDataset as TabularDataset
