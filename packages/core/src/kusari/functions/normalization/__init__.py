"""Functions that normalize."""

from kusari.functions.normalization.batch_normalization import batch_normalization as batch_normalization
from kusari.functions.normalization.batch_normalization import fixed_batch_normalization as fixed_batch_normalization
from kusari.functions.normalization.batch_renormalization import batch_renormalization as batch_renormalization
from kusari.functions.normalization.batch_renormalization import (
    fixed_batch_renormalization as fixed_batch_renormalization,
)
from kusari.functions.normalization.decorrelated_batch_normalization import (
    decorrelated_batch_normalization as decorrelated_batch_normalization,
)
from kusari.functions.normalization.decorrelated_batch_normalization import (
    fixed_decorrelated_batch_normalization as fixed_decorrelated_batch_normalization,
)
from kusari.functions.normalization.group_normalization import group_normalization as group_normalization
from kusari.functions.normalization.l2_normalization import normalize as normalize
from kusari.functions.normalization.layer_normalization import layer_normalization as layer_normalization
from kusari.functions.normalization.local_response_normalization import (
    local_response_normalization as local_response_normalization,
)
