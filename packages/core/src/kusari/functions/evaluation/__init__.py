"""Functions: evaluation."""

from kusari.functions.evaluation.accuracy import accuracy as accuracy
from kusari.functions.evaluation.binary_accuracy import binary_accuracy as binary_accuracy
from kusari.functions.evaluation.classification_summary import classification_summary as classification_summary
from kusari.functions.evaluation.classification_summary import f1_score as f1_score
from kusari.functions.evaluation.classification_summary import precision as precision
from kusari.functions.evaluation.classification_summary import recall as recall
from kusari.functions.evaluation.r2_score import r2_score as r2_score
