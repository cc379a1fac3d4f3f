"""Documented paths of helpers: each module re-exports what lives elsewhere."""

from kusari.model.walker_alias import WalkerAlias as WalkerAlias
