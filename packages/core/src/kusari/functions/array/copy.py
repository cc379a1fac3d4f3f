"""`copy` at its documented path; defined with Variable's own operators."""

from kusari.autograd.copy import Copy as Copy
from kusari.autograd.copy import copy as copy
