"""Functions: noise injections."""

from kusari.functions.noise.dropout import dropout as dropout
from kusari.functions.noise.gaussian import gaussian as gaussian
from kusari.functions.noise.gumbel_softmax import gumbel_softmax as gumbel_softmax
from kusari.functions.noise.simplified_dropconnect import simplified_dropconnect as simplified_dropconnect
from kusari.functions.noise.zoneout import zoneout as zoneout
