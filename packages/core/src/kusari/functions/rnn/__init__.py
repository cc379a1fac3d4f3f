"""Functions: recurrent networks."""

from kusari.functions.rnn.lstm import lstm as lstm
from kusari.functions.rnn.n_step_gru import n_step_bigru as n_step_bigru
from kusari.functions.rnn.n_step_gru import n_step_gru as n_step_gru
from kusari.functions.rnn.n_step_lstm import n_step_bilstm as n_step_bilstm
from kusari.functions.rnn.n_step_lstm import n_step_lstm as n_step_lstm
from kusari.functions.rnn.n_step_rnn import n_step_birnn as n_step_birnn
from kusari.functions.rnn.n_step_rnn import n_step_rnn as n_step_rnn
from kusari.functions.rnn.slstm import slstm as slstm
from kusari.functions.rnn.tree_lstm import tree_lstm as tree_lstm
