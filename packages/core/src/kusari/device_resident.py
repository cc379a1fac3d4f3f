"""What has a device, at its documented path."""

from kusari.model import DeviceResident as DeviceResident
from kusari.model import DeviceResidentsVisitor as DeviceResidentsVisitor
