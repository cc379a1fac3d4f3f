"""Functions: recurrent networks."""

from kusari.functions.rnn.lstm import lstm as lstm
from kusari.functions.rnn.slstm import slstm as slstm
from kusari.functions.rnn.tree_lstm import tree_lstm as tree_lstm
