"""Serializers: saving objects to files and loading them."""

from kusari.serializers.dictionary import DictionarySerializer as DictionarySerializer
from kusari.serializers.npz import NpzDeserializer as NpzDeserializer
from kusari.serializers.npz import load_npz as load_npz
from kusari.serializers.npz import save_npz as save_npz
