"""Initial values of parameters: objects that fill a host array in place."""

from kusari.initializers.constant import Constant as Constant
from kusari.initializers.constant import Identity as Identity
from kusari.initializers.constant import NaN as NaN
from kusari.initializers.constant import One as One
from kusari.initializers.constant import Zero as Zero
from kusari.initializers.fans import get_fans as get_fans
from kusari.initializers.generate import generate_array as generate_array
from kusari.initializers.generate import get_initializer as get_initializer
from kusari.initializers.initializer import Initializer as Initializer
from kusari.initializers.normal import GlorotNormal as GlorotNormal
from kusari.initializers.normal import HeNormal as HeNormal
from kusari.initializers.normal import LeCunNormal as LeCunNormal
from kusari.initializers.normal import Normal as Normal
from kusari.initializers.orthogonal import Orthogonal as Orthogonal
from kusari.initializers.sampling import DownsamplingConvFilter as DownsamplingConvFilter
from kusari.initializers.sampling import UpsamplingDeconvFilter as UpsamplingDeconvFilter
from kusari.initializers.uniform import GlorotUniform as GlorotUniform
from kusari.initializers.uniform import HeUniform as HeUniform
from kusari.initializers.uniform import LeCunUniform as LeCunUniform
from kusari.initializers.uniform import Uniform as Uniform
