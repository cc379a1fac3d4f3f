"""Models: links, chains of links, and what watches or moves them."""

from kusari.autograd.parameter import Parameter as Parameter
from kusari.model.chain import Chain as Chain
from kusari.model.chain import ChainList as ChainList
from kusari.model.device_resident import DeviceResident as DeviceResident
from kusari.model.link import Link as Link
from kusari.model.link_hook import LinkHook as LinkHook
from kusari.model.model_summary import ModelSummary as ModelSummary
from kusari.model.model_summary import summary as summary
from kusari.model.sequential import Sequential as Sequential
from kusari.model.visitor import DeviceResidentsVisitor as DeviceResidentsVisitor
