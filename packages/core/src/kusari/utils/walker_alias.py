"""The documented path of `WalkerAlias`."""

from kusari.model.walker_alias import WalkerAlias as WalkerAlias
