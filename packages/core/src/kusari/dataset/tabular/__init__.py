"""Tabular datasets: columns with names, of which views take rows and columns without reading the rest."""

from kusari.dataset.tabular.delegate_dataset import DelegateDataset as DelegateDataset
from kusari.dataset.tabular.from_data import from_data as from_data
