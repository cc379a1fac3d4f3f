"""Serializers: saving objects to files and loading them."""

from kusari.serializers.dictionary import DictionarySerializer as DictionarySerializer
from kusari.serializers.hdf5 import HDF5Deserializer as HDF5Deserializer
from kusari.serializers.hdf5 import HDF5Serializer as HDF5Serializer
from kusari.serializers.hdf5 import load_hdf5 as load_hdf5
from kusari.serializers.hdf5 import save_hdf5 as save_hdf5
from kusari.serializers.npz import NpzDeserializer as NpzDeserializer
from kusari.serializers.npz import load_npz as load_npz
from kusari.serializers.npz import save_npz as save_npz
from kusari.serializers.safetensors import load_safetensors as load_safetensors
from kusari.serializers.safetensors import save_safetensors as save_safetensors
